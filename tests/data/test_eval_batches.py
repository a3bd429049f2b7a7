from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_lightning.contracts import Sequences
from rec_lightning.data.batches import EvalBatches


@st.composite
def sequences(draw: st.DrawFn) -> Sequences:
    """Items count up, so that an item is its own event; any event may be a target."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=10))
    offsets = np.cumsum([0, *lengths])
    size = int(offsets[-1])
    role = np.array(draw(st.lists(st.sampled_from([0, 0, 1, 2, 3]), min_size=size, max_size=size)), np.int8)
    return Sequences(np.arange(1, size + 1), offsets, role, pl.Series(range(len(lengths))))


@settings(max_examples=200, deadline=None)
@given(
    sequences(),
    st.sampled_from([1, 2]),
    st.integers(2, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(["past", "train", "rest"]),
)
def test_each_target_once_from_exactly_what_it_may_know(
    data: Sequences, role: int, max_length: int, batch_size: int, world: int, which: Any
) -> None:
    def inputs(user: int, event: int) -> list[int]:
        """Items before an event that are of no later part, or all unasked; written down without any array trick."""
        allowed = {0, 3, *(range(role + 1) if which == "past" else [])}
        end = int(data.offsets[user + 1]) if which == "rest" else event
        return [e + 1 for e in range(int(data.offsets[user]), end) if int(data.role[e]) in allowed]

    found = []
    for rank in range(world):
        batches = EvalBatches(data, role, max_length, batch_size, rank, world, which)
        seen = list(batches)
        assert len(seen) == len(batches)
        for batch in seen:
            assert 1 <= len(batch) <= batch_size
            assert batch.seen is not None
            assert batch.seen_offsets is not None
            assert batch.history.shape == (len(batch), int(batch.length.max()))
            for row in range(len(batch)):
                target, user = int(batch.target[row]), int(batch.user[row])
                before = inputs(user, target - 1)
                assert batch.seen[batch.seen_offsets[row] : batch.seen_offsets[row + 1]].tolist() == before
                assert batch.history[row, : batch.length[row]].tolist() == before[-max_length:]
                assert not batch.history[row, batch.length[row] :].any()
                found.append(target)
    owner = np.repeat(np.arange(len(data.users)), np.diff(data.offsets))
    targets = [int(e) for e in np.flatnonzero(data.role == role)]
    assert sorted(found) == [e + 1 for e in targets if inputs(int(owner[e]), e)]


def test_by_hand(make_sequences: Callable[..., Sequences]) -> None:
    data = make_sequences([[4, 2, 9, 7], [5], [8, 1]], role=[0, 0, 1, 2, 2, 0, 2])
    (validation,) = EvalBatches(data, role=1, max_length=50, batch_size=10)
    assert validation.history.tolist() == [[4, 2]]
    assert validation.target.tolist() == [9]
    (test,) = EvalBatches(data, role=2, max_length=2, batch_size=10)
    assert test.user.tolist() == [2, 0]  # the shortest first; the user with one event cannot be predicted
    assert test.history.tolist() == [[8, 0], [2, 9]]  # validation is the past by then
    assert test.length.tolist() == [1, 2]
    assert test.target.tolist() == [1, 7]
    assert test.seen is not None
    assert test.seen_offsets is not None
    assert test.seen.tolist() == [8, 4, 2, 9]  # all, not only the newest
    assert test.seen_offsets.tolist() == [0, 1, 4]
    assert {t.dtype for t in (test.user, test.history, test.target, test.seen, test.seen_offsets)} == {torch.int64}


def test_a_second_pass_is_the_same(make_sequences: Callable[..., Sequences]) -> None:
    batches = EvalBatches(make_sequences([[1, 2], [3, 4], [5, 6]], role=[0, 2] * 3), 2, 5, 2)
    assert [b.target.tolist() for b in batches] == [b.target.tolist() for b in batches] == [[2, 4], [6]]


def test_no_target_no_batch(make_sequences: Callable[..., Sequences]) -> None:
    batches = EvalBatches(make_sequences([[1, 2]]), 2, 5, 2)
    assert len(batches) == 0
    assert list(batches) == []


def test_inputs_from_training_only(make_sequences: Callable[..., Sequences]) -> None:
    data = make_sequences([[4, 2, 9, 7]], role=[0, 0, 1, 2])
    (batch,) = EvalBatches(data, 2, 5, 2, inputs="train")
    assert batch.history.tolist() == [[4, 2]]
    assert batch.target.tolist() == [7]


def test_a_validation_target_never_reads_a_test_event(make_sequences: Callable[..., Sequences]) -> None:
    data = make_sequences([[4, 2, 9, 7]], role=[0, 2, 1, 3])
    (batch,) = EvalBatches(data, 1, 5, 2)
    assert batch.history.tolist() == [[4]]
    assert batch.seen is not None
    assert batch.seen.tolist() == [4]


def test_times_go_with_their_events(make_sequences: Callable[..., Sequences]) -> None:
    data = make_sequences([[4, 2, 9, 7], [5], [8, 1]], role=[0, 2, 1, 3, 2, 0, 1], time=[40, 20, 90, 70, 50, 80, 10])
    (batch,) = EvalBatches(data, 1, 5, 4)  # one hidden event lies before both targets
    assert batch.history.tolist() == [[4], [8]]
    assert batch.time is not None
    assert batch.target_time is not None
    assert batch.time.tolist() == [[40], [80]]
    assert batch.target_time.tolist() == [90, 10]
    (batch,) = EvalBatches(data, 2, 2, 4)
    assert batch.time is not None
    assert batch.time.tolist() == [[40]]

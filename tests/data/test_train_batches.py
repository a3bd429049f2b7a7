from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rec_lightning.contracts import Batch, Sequences
from rec_lightning.data.batches import TrainBatches


class Case(NamedTuple):
    sequences: Sequences
    lengths: list[int]  # training events of each user
    max_length: int
    context: int
    batch_size: int
    seed: int
    epoch: int
    groups: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    lengths = draw(st.lists(st.integers(0, 23), min_size=1, max_size=12))
    later = draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths)))
    max_length = draw(st.integers(2, 9))
    # items count up, so that an item is its own event: event e is item e + 1
    role = np.concatenate([np.repeat([0, 2], [n, m]) for n, m in zip(lengths, later, strict=True)]).astype(np.int8)
    total = [n + m for n, m in zip(lengths, later, strict=True)]
    offsets = np.cumsum([0, *total])
    sequences = Sequences(np.arange(1, offsets[-1] + 1), offsets, role, pl.Series(range(len(lengths))))
    context, batch_size = draw(st.integers(0, max_length - 1)), draw(st.integers(1, 7))
    seed, epoch, groups = draw(st.integers(0, 99)), draw(st.integers(0, 4)), draw(st.integers(1, 4))
    return Case(sequences, lengths, max_length, context, batch_size, seed, epoch, groups)


def build(case: Case, rank: int = 0, world: int = 1) -> TrainBatches:
    options = (case.max_length, case.batch_size, case.seed, case.context, case.groups, rank, world)
    batches = TrainBatches(case.sequences, *options)
    batches.load_state_dict({"epoch": case.epoch, "position": 0})
    return batches


def targets(batches: TrainBatches) -> Counter[int]:
    return Counter(int(t) for batch in batches for t in batch.target[batch.target > 0])


def wanted(case: Case) -> Counter[int]:
    """Every training event but each user's first."""
    begin = case.sequences.offsets[:-1]
    return Counter(int(b) + 1 + n for b, count in zip(begin, case.lengths, strict=True) for n in range(1, count))


def equal(one: Batch, two: Batch) -> bool:
    names = ("user", "history", "length", "target")
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in names)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_training_event_but_the_first_is_a_target_exactly_once(case: Case) -> None:
    batches = build(case)
    assert targets(batches) == wanted(case)
    assert batches.targets == sum(wanted(case).values())


@settings(max_examples=200, deadline=None)
@given(cases())
def test_windows_are_consecutive_events_of_one_user_and_right_padded(case: Case) -> None:
    batches = build(case)
    seen = list(batches)
    assert len(seen) == len(batches)
    for batch in seen:
        assert len(batch) >= 1
        assert len(batch) <= case.batch_size
        assert batch.history.shape == batch.target.shape == (len(batch), int(batch.length.max()))
        assert batch.history.dtype == batch.target.dtype == batch.length.dtype == batch.user.dtype == torch.int64
        for user, history, length, target in zip(batch.user, batch.history, batch.length, batch.target, strict=True):
            own = history[:length]
            begin, end = (int(case.sequences.offsets[user + i]) for i in range(2))
            assert 1 <= length <= case.max_length
            assert own.tolist() == list(range(int(own[0]), int(own[0]) + int(length)))
            assert begin < int(own[0]) <= int(own[-1]) < begin + case.lengths[user] <= end
            assert not history[length:].any()
            assert not target[length:].any()
            counts = target[:length] > 0
            silent = int(length) - int(counts.sum())
            assert counts[silent:].all()  # the silent ones come first
            assert silent <= case.context
            assert torch.equal(target[:length][counts], own[counts] + 1)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(2, 4))
def test_processes_share_the_windows(case: Case, world: int) -> None:
    if case.batch_size < world:
        with pytest.raises(ValueError, match=rf"at least the number of processes \({world}\), got {case.batch_size}"):
            build(case, 0, world)
        return
    parts = [build(case, rank, world) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    found = sum((targets(part) for part in parts), Counter[int]())
    assert max(found.values(), default=1) == 1
    windows = len(parts[0].windows(case.epoch)[0].user)
    left_out = wanted(case) - found
    assert not found - wanted(case)
    alone = build(case)
    if len(parts[0]) == len(alone):
        assert not left_out
    else:  # fewer windows than processes were left, and the batch before them had none to lend
        assert windows < world or case.batch_size < 2 * world - 1
        assert sum(left_out.values()) <= (world - 1) * case.max_length


@settings(max_examples=50, deadline=None)
@given(cases())
def test_epochs_have_the_same_number_of_batches_and_follow_each_other(case: Case) -> None:
    batches = build(case)
    assume(len(batches))  # an empty epoch has no place to be at
    counts, epochs = set(), []
    for _ in range(3):
        counts.add(len(batches))
        epochs.append(batches.state_dict()["epoch"])
        assert sum(1 for _ in batches) == len(batches)
    assert len(counts) == 1
    assert epochs == [case.epoch, case.epoch + 1, case.epoch + 2]


@settings(max_examples=50, deadline=None)
@given(cases(), st.data())
def test_a_stopped_epoch_goes_on_exactly(case: Case, data: st.DataObject) -> None:
    whole, first = build(case), build(case)
    stop = data.draw(st.integers(0, len(whole)))
    stream = iter(first)
    head = [next(stream) for _ in range(stop)]
    again = build(case)
    again.load_state_dict(first.state_dict())
    tail = [*again] if stop < len(whole) else []
    assert all(equal(a, b) for a, b in zip(head + tail, whole, strict=True))
    assert all(equal(a, b) for a, b in zip(again, whole, strict=True))  # and so does the epoch after it


@pytest.fixture
def long(make_sequences: Callable[..., Sequences]) -> Sequences:
    return make_sequences([range(1, 40), range(40, 90), range(90, 97)])


def test_epochs_cut_and_shuffle_differently(long: Sequences) -> None:
    batches = TrainBatches(long, max_length=8, batch_size=4, seed=0)
    cuts = [{(int(u), int(b)) for u, b in zip(*batches.windows(epoch)[0][:2], strict=True)} for epoch in range(6)]
    assert len({frozenset(cut) for cut in cuts}) > 1
    orders = [batches.windows(epoch)[0].user.tolist() for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_groups_of_rows_are_the_batch_itself_with_less_padding(case: Case) -> None:
    for batch in build(case):
        parts = batch.parts()
        assert len(parts) == max(1, len(batch.groups)) <= case.groups
        assert torch.equal(torch.cat([part.user for part in parts]), batch.user)
        real = [part.history[part.history > 0] for part in parts]
        assert torch.equal(torch.cat(real), batch.history[batch.history > 0])  # order and all
        for part in parts:
            assert part.history.shape == part.target.shape == (len(part), int(part.length.max()))


def test_seed_decides(long: Sequences) -> None:
    one, same, other = (TrainBatches(long, 8, 4, seed) for seed in (1, 1, 2))
    assert all(equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(equal(a, b) for a, b in zip(one, other, strict=True) if a.history.shape == b.history.shape)


def test_by_hand(make_sequences: Callable[..., Sequences]) -> None:
    sequences = make_sequences([[5, 6, 7, 8, 9], [3]], role=[0, 0, 0, 1, 2, 0])
    batches = TrainBatches(sequences, max_length=2, batch_size=4, seed=0)
    (batch,) = batches  # the user with one event trains nothing
    assert batches.targets == 2
    assert batch.user.tolist() == [0]
    assert batch.history.tolist() == [[5, 6]]
    assert batch.target.tolist() == [[6, 7]]
    assert batch.seen is None


def test_context_is_input_and_no_target(make_sequences: Callable[..., Sequences]) -> None:
    sequences = make_sequences([[1, 2, 3, 4, 5]])
    batches = TrainBatches(sequences, max_length=3, batch_size=9, seed=0, context=1)
    (batch,) = batches
    rows = sorted(zip(batch.history.tolist(), batch.target.tolist(), strict=True))
    assert rows == [([1, 2, 0], [2, 3, 0]), ([2, 3, 4], [0, 4, 5])]


def test_more_processes_than_windows_leave_an_empty_epoch(make_sequences: Callable[..., Sequences]) -> None:
    batches = TrainBatches(make_sequences([[1, 2, 3]]), 5, 4, 0, rank=1, world=3)
    assert len(batches) == 0
    assert list(batches) == []


def test_training_events_between_others_are_found(make_sequences: Callable[..., Sequences]) -> None:
    sequences = make_sequences([[1, 2, 3, 4], [5, 6, 7]], role=[0, 1, 0, 0, 2, 0, 0])
    (batch,) = TrainBatches(sequences, 5, 4, 0)
    rows = sorted(zip(batch.history.tolist(), batch.target.tolist(), strict=True))
    assert rows == [([1, 3], [3, 4]), ([6, 0], [7, 0])]


@pytest.mark.parametrize("role", [[0, 0, 0, 1, 2, 0, 0], [0, 1, 0, 0, 2, 0, 0]], ids=["leading", "between"])
def test_times_go_with_their_events(role: list[int], make_sequences: Callable[..., Sequences]) -> None:
    sequences = make_sequences([[1, 2, 3, 4, 5], [6, 7]], role, time=[10, 20, 30, 40, 50, 60, 70])
    (batch,) = TrainBatches(sequences, 5, 4, 0)
    assert batch.time is not None
    assert batch.target_time is not None
    assert torch.equal(batch.time, batch.history * 10)  # and 0 at the padding
    assert torch.equal(batch.target_time, batch.target * 10)
    assert (batch.time.dtype, batch.target_time.dtype) == (torch.int64, torch.int64)


def test_where_no_time_is_known_there_is_none(make_sequences: Callable[..., Sequences]) -> None:
    (batch,) = TrainBatches(make_sequences([[1, 2, 3]]), 5, 4, 0)
    assert (batch.time, batch.target_time) == (None, None)

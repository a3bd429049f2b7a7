"""An example holds its event, its label and what was before; together they are every labelled event once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_lightning.contracts import Batch, Sequences
from rec_lightning.data.examples import EvalExamples, Examples, TrainExamples
from tests.data.test_eval_batches import sequences

Make = Callable[..., Sequences]


@settings(max_examples=100, deadline=None)
@given(sequences(), st.sampled_from([0, 1, 2]), st.integers(2, 6), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_each_labelled_event_once_after_exactly_what_came_before(
    data: Sequences, role: int, max_length: int, batch_size: int, world: int, past: bool
) -> None:
    size = len(data.items)
    labels = np.where(np.arange(size) % 3 == 2, np.nan, np.arange(size)).astype(np.float32)
    last = role if past else 0
    allowed = {0, 3, *range(last + 1)}
    found = []
    for rank in range(world):
        examples = Examples(data, labels, role, max_length, last)
        batches = EvalExamples(examples, batch_size, rank, world)
        seen = list(batches)
        assert len(seen) == len(batches)
        for batch in seen:
            assert batch.event is not None
            assert batch.label is not None
            assert batch.feedback is not None
            assert batch.candidate is not None
            for row, event in enumerate(batch.event.tolist()):
                user = int(batch.user[row])
                assert data.offsets[user] <= event < data.offsets[user + 1]
                before = [e for e in range(int(data.offsets[user]), event) if int(data.role[e]) in allowed]
                newest = before[-max_length:]
                assert batch.length[row] == max(1, len(newest))
                assert batch.history[row].tolist() == [e + 1 for e in newest] + [0] * (
                    batch.history.shape[1] - len(newest)
                )
                feedback = batch.feedback[row].numpy()
                assert np.array_equal(feedback[: len(newest)], labels[newest], equal_nan=True)
                assert np.isnan(feedback[len(newest) :]).all()
                assert batch.candidate[row].tolist() == [event + 1] == [int(batch.target[row])]
                assert batch.label[row].tolist() == [labels[event]]
                found.append(event)
    assert sorted(found) == np.flatnonzero((data.role == role) & ~np.isnan(labels)).tolist()


def twenty(make_sequences: Make) -> Examples:
    data = make_sequences([range(1 + u, 8 + u) for u in range(3)], time=range(21))
    return Examples(data, np.arange(21, dtype=np.float32), 0, 4, 0)


def events(batches: TrainExamples) -> list[list[int]]:
    return [batch.event.tolist() for batch in batches if batch.event is not None]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_an_epoch_holds_every_example_once_whatever_the_processes(make_sequences: Make, world: int) -> None:
    streams = [TrainExamples(twenty(make_sequences), 4, 7, rank, world) for rank in range(world)]
    epochs = [[events(stream) for stream in streams] for _ in range(2)]
    for epoch in epochs:
        assert sorted(e for stream in epoch for batch in stream for e in batch) == list(range(21))
        sizes = [len(batch) for stream in epoch for batch in stream]
        assert max(sizes) <= 4
        assert max(sizes) - min(sizes) <= 1
        assert len({len(stream) for stream in epoch}) == 1
    assert epochs[0] != epochs[1]


def test_it_goes_on_in_the_middle_of_an_epoch(make_sequences: Make) -> None:
    whole = events(stream := TrainExamples(twenty(make_sequences), 4, 7)) + events(stream)
    for taken in range(1, len(whole) // 2 + 3):
        stream, got = TrainExamples(twenty(make_sequences), 4, 7), []
        while len(got) < taken:
            for batch in stream:
                assert batch.event is not None
                got.append(batch.event.tolist())
                if len(got) == taken:
                    break
        again = TrainExamples(twenty(make_sequences), 4, 7)
        again.load_state_dict(stream.state_dict())
        got += events(again)
        assert got == whole[: len(got)]
        assert len(got) > taken


def test_times_come_along_where_they_are_known(make_sequences: Make) -> None:
    batch = twenty(make_sequences).gather(np.array([0, 6, 8]), 0)
    assert batch.time is not None
    assert batch.target_time is not None
    assert batch.target_time.tolist() == [0, 6, 8]
    assert batch.time.tolist() == [[0, 0, 0, 0], [2, 3, 4, 5], [7, 0, 0, 0]]


def drawn(data: Sequences, count: int = 3) -> Examples:
    return Examples(data, np.ones(len(data.items), np.float32), 0, 4, 0, count)


def test_drawn_candidates_are_new_to_the_user_and_uniform(make_sequences: Make) -> None:
    data = make_sequences([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    batch: Batch = drawn(data, 4000).gather(np.arange(12), 5)
    assert batch.candidate is not None
    assert batch.label is not None
    assert batch.label[:, 0].eq(1).all()
    assert batch.label[:, 1:].eq(0).all()
    for user in range(3):
        own = {4 * user + k for k in range(1, 5)}
        counts = torch.bincount(batch.candidate[batch.user == user, 1:].flatten(), minlength=13)[1:]
        assert counts[[i - 1 for i in own]].sum() == 0
        others = counts[[i - 1 for i in range(1, 13) if i not in own]].double()
        assert (others / others.mean() - 1).abs().max() < 0.1  # 2000 expected of each, 2 % standard deviation


def test_what_is_drawn_depends_on_the_event_and_the_key_only(make_sequences: Make) -> None:
    data = make_sequences([range(1 + u, 8 + u) for u in range(3)])
    whole = drawn(data).gather(np.arange(21), 5).candidate
    assert whole is not None
    part = drawn(data).gather(np.array([20, 3]), 5).candidate
    assert part is not None
    assert torch.equal(part, whole[[20, 3]])
    other = drawn(data).gather(np.arange(21), 6).candidate
    assert other is not None
    assert not torch.equal(other, whole)


def test_training_does_not_know_what_comes_later(make_sequences: Make) -> None:
    data = make_sequences([[1, 2, 3, 4, 5, 6]], role=[0, 0, 0, 1, 2, 3])
    for role, own in ((0, {1, 2, 3, 6}), (1, {1, 2, 3, 4, 6}), (2, set(range(1, 7)))):
        wide = make_sequences([[*data.items.tolist()], [7, 8]], role=[*data.role.tolist(), 0, 0])
        made = Examples(wide, np.ones(8, np.float32), role, 4, role, 500)
        rows = np.flatnonzero(made.user == 0)
        candidate = made.gather(rows, 3).candidate
        assert candidate is not None
        assert set(candidate[:, 1:].flatten().tolist()) == set(range(1, 9)) - own


def test_a_user_of_every_item_leaves_nothing_to_draw(make_sequences: Make) -> None:
    with pytest.raises(ValueError, match=r"and one has events with all 3\. Leave such"):
        drawn(make_sequences([[1, 2, 3], [1]]))


def test_more_processes_than_examples_are_refused(make_sequences: Make) -> None:
    with pytest.raises(ValueError, match=r"there are 21 for 22. Lower trainer.devices"):
        TrainExamples(twenty(make_sequences), 22, 7, 0, 22)

"""Which events of the run's users are read, and the batches of them, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Sequences
from rec_lightning.use.histories import Histories, Upto, known


@pytest.fixture
def sequences() -> Sequences:
    """Two users with every role, and one whose only event is a test target."""
    items = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9])
    role = np.array([0, 3, 1, 2, 0, 0, 1, 2, 2], np.int8)
    return Sequences(items, np.array([0, 4, 8, 9]), role, pl.Series("user", ["a", "b", "c"]), 10 * items)


@pytest.mark.parametrize(
    ("upto", "inputs", "expected"),
    [
        ("all", "past", {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8], "c": [9]}),
        ("all", "train", {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8], "c": [9]}),
        ("test", "past", {"a": [1, 2, 3], "b": [5, 6, 7]}),
        ("test", "train", {"a": [1, 2], "b": [5, 6]}),
        ("val", "past", {"a": [1, 2], "b": [5, 6]}),
    ],
)
@pytest.mark.parametrize("users", [1, 2, 10])
def test_events_that_are_read(
    upto: Upto, inputs: str, expected: dict[str, list[int]], users: int, sequences: Sequences
) -> None:
    found = {}
    for piece in known(sequences, np.arange(3), upto, inputs, users):
        assert len(piece.users) <= users
        assert (sequences.users.gather(piece.rows) == piece.users).all()
        for row, user in enumerate(piece.users):
            own = slice(piece.offsets[row], piece.offsets[row + 1])
            found[user] = piece.items[own].tolist()
            assert piece.timestamp is not None
            assert piece.timestamp[own].tolist() == [10 * item for item in found[user]]
    assert found == expected


@pytest.mark.parametrize("at", [None, 99])
def test_batches_hold_the_newest_events_and_all_that_was_seen(at: int | None) -> None:
    offsets, items = np.array([0, 3, 4, 9]), np.array([3, 1, 2, 7, 4, 5, 6, 8, 9])
    people = Histories(pl.Series(["a", "b", "c"]), np.array([5, -1, 2]), items, offsets, 10 * items)
    seen, rows = {}, {}
    for places, batch in people.batches(2, 2, timed=True, at=at):
        assert batch.seen_offsets is not None
        assert batch.time is not None
        assert batch.target_time is not None
        for row, place in enumerate(places):
            length = int(batch.length[row])
            own = items[offsets[place] : offsets[place + 1]].tolist()
            assert batch.history[row, :length].tolist() == own[-2:]
            assert batch.time[row, :length].tolist() == [10 * item for item in own[-2:]]
            assert int(batch.target_time[row]) == (at or 10 * own[-1])
            ends = batch.seen_offsets[row : row + 2].tolist()
            seen[int(place)] = batch.seen[slice(*ends)].tolist()  # type: ignore[index]
            rows[int(place)] = int(batch.user[row])
    assert seen == {0: [3, 1, 2], 1: [7], 2: [4, 5, 6, 8, 9]}
    assert rows == {0: 5, 1: -1, 2: 2}
    assert all(batch.time is None for _, batch in people.batches(2, 2))

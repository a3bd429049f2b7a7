"""Items that a user has no event with, drawn uniformly.

What is drawn is a hash of (key, event, place), so that neither the batch, the order nor the number of processes
changes it.

Relations: ``examples`` puts them beside the item of an event.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import Sequences
from rec_lightning.data.inputs import Ints

Hashes = NDArray[np.uint64]


class Unseen:
    """Draws items.

    Args:
        sequences: all events.
        last: highest role whose events make an item seen, and those in no part (3) do. Training must not know which
            items will come up later, and that they are never drawn would tell it.

    Raises:
        ValueError: a user has events with every item.
    """

    def __init__(self, sequences: Sequences, last: int) -> None:
        self.size = int(sequences.items.max())
        user = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))
        met = (sequences.role <= last) | (sequences.role == 3)
        self.pairs = np.unique((user * (self.size + 1) + sequences.items)[met])
        most = int(np.bincount(self.pairs // (self.size + 1)).max())
        if most >= self.size:
            raise ValueError(
                f"label.drawn needs items that a user has no event with, and one has events with all {self.size}. "
                "Leave such users out by data/prepare."
            )

    def draw(self, user: Ints, event: Ints, count: int, key: int) -> Ints:
        """(B,) users and events -> (B, count) items; one may come twice in a row.

        Args:
            user: rows of users.
            event: places of events.
            count: items a row.
            key: another one draws others.
        """
        place = np.arange(count, dtype=np.uint64)
        with np.errstate(over="ignore"):
            state = _mixed(_mixed(np.uint64(key) + event.astype(np.uint64)[:, None]) + place)  # (B, count)
            found = self._items(state)
            while (again := self._seen(user, found)).any():
                state = np.where(again, _mixed(state + np.uint64(1)), state)
                found = self._items(state)
        return found

    def _items(self, state: Hashes) -> Ints:
        return (state % np.uint64(self.size)).astype(np.int64) + 1

    def _seen(self, user: Ints, items: Ints) -> NDArray[np.bool_]:
        pair = user[:, None] * (self.size + 1) + items
        place = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        found: NDArray[np.bool_] = self.pairs[place] == pair
        return found


def _mixed(state: Hashes) -> Hashes:
    # the finaliser of SplitMix64: every bit of the input changes half of the output
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))

"""Solved examples for a prompt: training events from before the moment asked for, of whoever.

In-context learning as in T. Brown et al., "Language Models are Few-Shot Learners", NeurIPS 2020,
https://arxiv.org/abs/2005.14165. What differs: which examples a prompt gets depends on its event alone, so that every
run and every batch shows the same ones; only events with a label that train are shown, strictly earlier than what is
asked, each with its user's own history before it.

Relations: ``prompts`` writes them in front of the history.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import Catalog

Ints = NDArray[np.int64]


class Shot(NamedTuple):
    """An event that was labelled, and what its user did before: items and labels, oldest first."""

    item: int
    label: float
    items: list[int]
    labels: list[float]


class Shots:
    """Draws examples.

    Args:
        catalog: its sequences have the events, their times and labels.
        count: examples of a prompt; fewer where there are not so many earlier ones.
        events: newest events of an example's history.
        seed: another one draws others.

    Raises:
        ValueError: a number below 0.
    """

    def __init__(self, catalog: Catalog, count: int = 0, events: int = 3, seed: int = 0) -> None:
        for name, value in (("count", count), ("events", events)):
            if value < 0:
                raise ValueError(
                    f"backbone.prompt.examples.{name} must be at least 0, got {value}. "
                    f"Set backbone.prompt.examples.{name}."
                )
        self.count, self.events, self.seed, self.known = count, events, seed, catalog.sequences
        self._sorted: tuple[Ints, Ints] | None = None

    def before(self, event: int, moment: int) -> list[Shot]:
        """The examples of one event.

        Args:
            event: row of the event asked for.
            moment: when it happened, seconds since 1970.
        """
        if not self.count:
            return []
        pool, times = self._pool()
        earlier = int(np.searchsorted(times, moment, side="left"))
        draw = np.random.default_rng((self.seed, event)).permutation(earlier)[: self.count]
        return [self._shot(int(row)) for row in pool[np.sort(draw)]]

    def _pool(self) -> tuple[Ints, Ints]:
        # training events with a label by time, and their times
        if self._sorted is None:
            known = self.known
            assert known is not None
            assert known.timestamp is not None
            assert known.label is not None
            rows = np.flatnonzero((np.asarray(known.role) == 0) & ~np.isnan(known.label))
            rows = rows[np.argsort(np.asarray(known.timestamp)[rows], kind="stable")]
            self._sorted = rows, np.asarray(known.timestamp)[rows]
        return self._sorted

    def _shot(self, row: int) -> Shot:
        known = self.known
        assert known is not None
        assert known.label is not None
        user = int(np.searchsorted(known.offsets, row, side="right")) - 1
        past = np.arange(known.offsets[user], row)
        past = past[known.role[past] == 0]
        past = past[max(0, len(past) - self.events) :]
        item, label = int(known.items[row]), float(known.label[row])
        return Shot(item, label, known.items[past].tolist(), known.label[past].tolist())

"""Recent popularity: the items with the most training interactions of late. Often the hardest of the trivial ones.

Paper: Y. Ji, A. Sun, J. Zhang and C. Li, "A Re-visit of the Popularity Baseline in Recommender Systems", SIGIR 2020,
https://arxiv.org/abs/2005.13829. What differs: one window at the end of training serves every user, so that nothing
later than training is counted; theirs moves with the time of each test event.

Relations: ``popularity`` counts all training events.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Sequences

# B batch, N items, U users

_DAY = 86_400


class RecentPopularity:
    """Scores an item by its training interactions inside a window; exactly one of the two windows is set.

    Args:
        days: up to the last training event of all, positive; needs data with times.
        events: newest training events of each user, at least 1; needs an order only.

    Raises:
        ValueError: both windows, none, or a value out of range.
    """

    parameters = 0

    def __init__(self, days: float | None = None, events: int | None = None) -> None:
        if (days is None) == (events is None):
            raise ValueError(
                f"one of baseline.days and baseline.events must be set, got days={days} and events={events}. Set the "
                "other to null."
            )
        for name, value in (("days", days), ("events", events)):
            if value is not None and value <= 0:
                raise ValueError(f"baseline.{name} must be positive, got {value}. Set baseline.{name}.")
        self.days, self.events = days, events

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Counts the training events of the window.

        Raises:
            ValueError: ``days`` is set, and the data have no times.
        """
        train = np.flatnonzero(sequences.role == 0)
        inside = self._newest(sequences, train) if self.days is None else self._late(sequences.timestamp, train)
        counts = np.bincount(sequences.items[train[inside]], minlength=catalog.size + 1)
        self._counts = torch.from_numpy(counts).float()

    def _late(self, time: NDArray[np.int64] | None, train: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert self.days is not None
        if time is None:
            raise ValueError(
                f"baseline.days must be null where the data have no times, got {self.days}. Set baseline.days=null and "
                "baseline.events."
            )
        late: NDArray[np.bool_] = time[train] > time[train].max() - self.days * _DAY
        return late

    def _newest(self, sequences: Sequences, train: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert self.events is not None
        user = np.searchsorted(sequences.offsets, train, side="right") - 1
        last = np.cumsum(np.bincount(user, minlength=len(sequences.users)))  # one past a user's place in ``train``
        newest: NDArray[np.bool_] = last[user] - np.arange(len(train)) <= self.events
        return newest

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        return self._counts.expand(len(batch), -1)

"""What a run that ranks got, user by user: hit rate and NDCG of targets, recall and NDCG of users.

A user may have several targets, as under a split in time. ``hr@K`` and ``ndcg@K`` count every target once, so over
users they are a ratio of two sums: what a user's targets are worth, and how many they are. Targets of a user belong
together, so users are drawn and never targets, and the ratio is taken by its linear part (the influence of each user:
delta method), whose mean is the metric itself. With one target each that is the target's own value. ``user_recall@K``
and ``user_ndcg@K`` (Liang et al., WWW 2018, https://arxiv.org/abs/1802.05814) are means over users from the start.

Relations: ``scored`` does the same for labels; the values are those of the room ``metrics``, computed here a second
time on purpose, so that a table rests on the rankings alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.studies.aims import RANKED, split

# T targets, U users

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def hit(ranks: Ints, k: int) -> Floats:
    """(T,) ranks, 1 is best -> (T,) 1 where the target is in the top k.

    Example:
        >>> hit(np.array([1, 10, 11]), 10).tolist()
        [1.0, 1.0, 0.0]
    """
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: Ints, k: int) -> Floats:
    """(T,) ranks, 1 is best -> (T,) NDCG at k with one relevant item.

    Example:
        >>> ndcg(np.array([1, 3, 11]), 10).tolist()
        [1.0, 0.5, 0.0]
    """
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


_OF_TARGETS = {"hr": hit, "ndcg": ndcg}


@dataclass(frozen=True)
class Ranks:
    """Exact ranks of all targets.

    Args:
        user: (T,) 0..U - 1, each at least once.
        rank: (T,) 1 is best.

    Example:
        >>> found = Ranks(np.array([0, 0, 1]), np.array([1, 30, 1]))
        >>> found.metric("hr@10").item(), found.metric("user_recall@10").item()
        (0.6666666666666666, 0.75)
    """

    user: Ints
    rank: Ints

    @staticmethod
    def of(user: pl.Series, rank: pl.Series) -> Ranks:
        """Of two columns, the users numbered in their order."""
        return Ranks(user.rank("dense").to_numpy().astype(np.int64) - 1, rank.cast(pl.Int64).to_numpy())

    @cached_property
    def sizes(self) -> Ints:
        """(U,) number of targets."""
        return np.bincount(self.user)

    def metric(self, metric: str) -> np.float64:
        """The mean over targets, or over users.

        Raises:
            ValueError: as ``by_user``.
        """
        return np.float64(self.flips(metric).mean())

    def by_user(self, metric: str) -> Floats:
        """(U,) values whose mean is the metric and whose spread is that of its linear part.

        Args:
            metric: ``hr@K``, ``ndcg@K``, ``user_recall@K`` or ``user_ndcg@K`` with K at least 1.

        Raises:
            ValueError: another metric.
        """
        found = self.flips(metric)
        if self._is_mean_of_users(metric):
            return found
        users, targets = len(self.sizes), len(self.rank)
        values: Floats = found + found.mean() * (1 - users * self.sizes / targets)
        return values

    def flips(self, metric: str) -> Floats:
        """(U,) each user's share, whose mean is the metric too: what a test may exchange user by user.

        Raises:
            ValueError: as ``by_user``.
        """
        name, k = _parsed(metric)
        if name == "user_recall":
            recall: Floats = self._sums(hit(self.rank, k)) / self.sizes.clip(max=k)
            return recall
        if name == "user_ndcg":
            ideal = ndcg(np.arange(1, k + 1), k).cumsum()[self.sizes.clip(max=k) - 1]
            gain: Floats = self._sums(ndcg(self.rank, k)) / ideal
            return gain
        sums = self._sums(_OF_TARGETS[name](self.rank, k))
        return sums if self._is_mean_of_users(metric) else len(self.sizes) * sums / len(self.rank)

    def drawn(self, metric: str, resamples: int, seed: int) -> None:
        """Nothing: ``by_user`` says all that a draw of users needs."""

    def _sums(self, values: Floats) -> Floats:
        return np.bincount(self.user, values).astype(np.float64)

    def _is_mean_of_users(self, metric: str) -> bool:
        return _parsed(metric)[0] not in _OF_TARGETS or len(self.sizes) == len(self.rank)


def _parsed(metric: str) -> tuple[str, int]:
    match = RANKED.fullmatch(split(metric)[1])
    if match is None:
        raise ValueError(
            "a metric of ranks must be one of hr@K, ndcg@K, user_recall@K, user_ndcg@K with K at least 1, got "
            f"{metric!r}. Change it."
        )
    return match[1], int(match[2])

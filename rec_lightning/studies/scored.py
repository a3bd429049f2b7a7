"""What a run of scoring got, so that its users can be drawn again: AUC, log loss, errors, accuracy.

The examples of a user belong together, so users are drawn, never examples (Efron and Tibshirani, *An Introduction to
the Bootstrap*, 1993): the metric is computed anew for each draw, every example counting as often as its user was drawn.
Equal seeds draw equal users, so that differences of two runs are paired. Where seeds vary too, a metric that is no mean
over users is taken by its linear part (the influence of each user: delta method; of the AUC, Obuchowski, *Biometrics*
53, 1997), whose mean is the metric itself.

Relations: ``intervals`` for rankings, whose metrics are means over users; ``contrast`` asks both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.studies.aims import split

# M examples, U users, R draws

_LEAST = 1e-7  # as in training: float32 has no probability nearer to 1
_CELLS = 1 << 22  # bounds the memory of some draws: draws x users
_BY_USER = ("gauc", "uauc")  # means over users, whose order within a user counts
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Predictions of labelled examples.

    Args:
        user: (M,) 0..U - 1.
        label: (M,).
        value: (M,) probability of 1, or number; (M, K) probabilities of classes.
    """

    user: Ints
    label: Floats
    value: Floats
    _drawn: dict[tuple[str, int, int], Floats] = field(default_factory=dict, compare=False, repr=False)

    @property
    def binary(self) -> bool:
        """Whether all labels are 0 or 1, and the values their probabilities."""
        inside = self.value.ndim == 1 and bool(((self.value >= 0) & (self.value <= 1)).all())
        return inside and bool(np.isin(self.label, (0, 1)).all())

    @cached_property
    def users(self) -> int:
        """U."""
        return int(self.user.max()) + 1

    def metric(self, metric: str) -> float:
        """Over all examples; NaN where it has no meaning, as an AUC of one class."""
        return float(self._compute(split(metric)[1], np.ones((1, self.users), np.int64))[0])

    def drawn(self, metric: str, resamples: int, seed: int) -> Floats:
        """(R,) the metric over users that were drawn with replacement; equal seeds draw equal users.

        Args:
            metric: of scoring.
            resamples: R.
            seed: of the draws.
        """
        metric = split(metric)[1]
        key = (metric, resamples, seed)
        if key not in self._drawn:
            draws = _draws(self.users, resamples, seed)
            self._drawn[key] = np.concatenate([self._compute(metric, times) for times in draws])
        return self._drawn[key]

    def flips(self, metric: str) -> Floats | None:
        """(U,) each user's share, whose mean is the metric; None where no sum over users is.

        Under the null hypothesis a user's shares in two runs may change places, which is what sign flips ask.
        """
        metric = split(metric)[1]
        if metric not in _BY_USER:
            return None
        sums, sizes = self._parts(metric)
        shares: Floats = self.users * sums / sizes.sum()
        return shares

    def by_user(self, metric: str) -> Floats:
        """(U,) values whose mean is the metric and whose spread is that of its linear part."""
        metric = split(metric)[1]
        if metric == "auc":
            return self._auc_by_user()
        sums, sizes = self._parts(metric)
        mean = sums.sum() / sizes.sum()
        change = self.users * (sums - mean * sizes) / sizes.sum()
        found: Floats = np.sqrt(mean) + change / (2 * np.sqrt(mean)) if metric == "rmse" and mean else mean + change
        return found

    def _compute(self, metric: str, times: Ints) -> Floats:
        if metric == "auc":
            return self._auc(times)
        sums, sizes = self._parts(metric)
        with np.errstate(invalid="ignore"):
            means: Floats = (times @ sums) / (times @ sizes)
        return np.sqrt(means) if metric == "rmse" else means

    def _parts(self, metric: str) -> tuple[Floats, Floats]:
        """(U,) sums and (U,) sizes, whose ratio over all users is the metric (of the RMSE, its square)."""
        if metric in _BY_USER:
            found, size = self._within
            both = ~np.isnan(found)
            weight = both * (size if metric == "gauc" else np.ones(self.users))
            own: Floats = np.where(both, found, 0.0) * weight
            return own, weight
        sums = np.bincount(self.user, self._each(metric), self.users).astype(np.float64)
        return sums, np.bincount(self.user, minlength=self.users).astype(np.float64)

    def _each(self, metric: str) -> Floats:
        found: Floats = _EACH[metric](self.value, self.label)  # (M,)
        return found

    @cached_property
    def _within(self) -> tuple[Floats, Floats]:
        """(U,) AUC of each user, NaN where there is one class only, and (U,) number of examples."""
        rows = np.argsort(self.user, kind="stable")
        parts = np.split(rows, np.cumsum(np.bincount(self.user, minlength=self.users))[:-1])
        one = np.ones((1, 1), np.int64)
        alone = [Scores(np.zeros(len(part), np.int64), self.label[part], self.value[part]) for part in parts]
        return np.array([float(own._auc(one)[0]) for own in alone]), np.array([float(len(part)) for part in parts])

    @cached_property
    def _sorted(self) -> tuple[Ints, NDArray[np.bool_], Ints]:
        """By value: (M,) users, (M,) whether the label is 1, and where each group of equal values begins."""
        order = np.argsort(self.value, kind="stable")
        value = self.value[order]
        begin = np.flatnonzero(np.r_[True, value[1:] != value[:-1]])
        return self.user[order], self.label[order] > 0.5, begin

    def _auc(self, times: Ints) -> Floats:
        user, positive, begin = self._sorted
        found = np.empty(len(times))
        for row, often in enumerate(times):
            weight = often[user].astype(np.float64)
            won, lost = (np.add.reduceat(weight * side, begin) for side in (positive, ~positive))
            below = np.cumsum(lost) - lost
            with np.errstate(invalid="ignore"):  # a draw of one class has none
                found[row] = (won * (below + lost / 2)).sum() / (won.sum() * lost.sum())
        return found

    def _auc_by_user(self) -> Floats:
        user, positive, begin = self._sorted
        tie = np.zeros(len(user), np.int64)
        tie[begin[1:]] = 1
        tie = tie.cumsum()
        won, lost = (np.add.reduceat(side.astype(np.float64), begin) for side in (positive, ~positive))
        below, above = np.cumsum(lost) - lost + lost / 2, won.sum() - np.cumsum(won) + won / 2
        pairs = won.sum() * lost.sum()
        mean = (won * below).sum() / pairs
        beaten = np.where(positive, below[tie], above[tie]) / pairs  # pairs of an example in the right order
        own = positive / won.sum() + ~positive / lost.sum()
        found: Floats = mean + self.users * np.bincount(user, beaten - mean * own, self.users)
        return found


def _draws(users: int, resamples: int, seed: int) -> Iterator[Ints]:
    """How often each user is drawn: (some draws, U) after another."""
    generator, chunk = np.random.default_rng(seed), max(1, _CELLS // users)
    for start in range(0, resamples, chunk):
        yield generator.multinomial(users, np.full(users, 1 / users), min(chunk, resamples - start))


def _log_loss(value: Floats, label: Floats) -> Floats:
    if value.ndim == 2:
        own: Floats = value[np.arange(len(label)), label.astype(np.int64)]
    else:
        own = np.where(label > 0.5, value, 1 - value)
    found: Floats = -np.log(own.clip(_LEAST, 1 - _LEAST))
    return found


_EACH: dict[str, Callable[[Floats, Floats], Any]] = {
    "rmse": lambda value, label: (value - label) ** 2,
    "mae": lambda value, label: np.abs(value - label),
    "accuracy": lambda value, label: (value.argmax(1) == label).astype(np.float64),
    "log_loss": _log_loss,
}


def read_scores(table: pl.DataFrame) -> Scores:
    """Of a table of predictions, its users numbered in their order."""
    user = table["user"].rank("dense").to_numpy().astype(np.int64) - 1
    value = table["prediction"]
    numbers = np.array(value.to_list()) if value.dtype == pl.List else value.to_numpy()
    return Scores(user, table["label"].to_numpy().astype(np.float64), numbers.astype(np.float64))

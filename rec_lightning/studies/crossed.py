"""Intervals of a mean over users and seeds, where every seed was tested on the same users.

Users and seeds are crossed random effects: y = mean + seed + user + rest. The variance of the mean is estimated by
parts (Searle, Casella and McCulloch, *Variance Components*, 1992, chapter 4): that of the users' means over seeds,
which holds the rest too, plus that of the seeds' means without the rest, never below zero. The interval is Student's
with Satterthwaite's degrees of freedom (*Biometrics Bulletin* 2, 1946), so that two or three seeds give the wide
interval that they deserve; resampling three seeds would not. In simulations with three seeds and 400 users it covers
the truth in 90 to 96 of 100 cases, least often where seeds and users weigh alike.

Relations: ``intervals`` resamples the users of a single run; ``comparison`` chooses between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.intervals import Interval

# S seeds, U users


@dataclass(frozen=True)
class _Part:
    """A part of the variance of a mean, and the degrees of freedom of its estimate."""

    variance: float
    freedom: int


def crossed_mean(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Mean over seeds and users; both count as drawn at random.

    Args:
        values: (S, U) one value a seed and user, at least 2 of each.
        level: of confidence, between 0 and 1.

    Raises:
        ValueError: fewer than 2 seeds or users.

    Example:
        >>> crossed_mean(np.array([[0.0, 0.5, 1.0], [0.0, 0.5, 1.0]])).mean
        0.5
    """
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(f"an interval over seeds and users needs at least 2 of each, got shape {values.shape}.")
    return _interval(float(values.mean()), [_users(values.mean(0)), _seeds(values)], level)


def crossed_difference(values: NDArray[np.float64], reference: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Mean difference to a reference on the same users; the seeds of the two sides have nothing in common.

    Args:
        values: (S, U) one value a seed and user.
        reference: (S', U) the reference's; one seed counts as exact, as for a model without randomness.
        level: of confidence, between 0 and 1.

    Raises:
        ValueError: other users, or fewer than 2.
    """
    mean, parts = _difference(values, reference)
    return _interval(mean, parts, level)


def crossed_test(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The p of the same difference, two-sided; 1 when nobody differs.

    Args:
        values: (S, U) one value a seed and user.
        reference: (S', U) the reference's, as in ``crossed_difference``.
    """
    from scipy import stats

    mean, parts = _difference(values, reference)
    variance, freedom = _combined(parts)
    return float(2 * stats.t.sf(abs(mean) / variance**0.5, freedom)) if variance else float(mean == 0)


def _difference(values: NDArray[np.float64], reference: NDArray[np.float64]) -> tuple[float, list[_Part]]:
    if values.shape[1] != reference.shape[1] or values.shape[1] < 2:
        raise ValueError(
            "a paired difference needs the same users on both sides, at least 2, "
            f"got {values.shape[1]} and {reference.shape[1]}."
        )
    difference = values.mean(0) - reference.mean(0)  # (U,)
    parts = [_users(difference), *(_seeds(side) for side in (values, reference) if len(side) > 1)]
    return float(difference.mean()), parts


def _users(means: NDArray[np.float64]) -> _Part:
    """(U,) -> share of the users, and of all that changes with user and seed together."""
    return _Part(float(means.var(ddof=1)) / len(means), len(means) - 1)


def _seeds(values: NDArray[np.float64]) -> _Part:
    """(S, U) -> share of the seeds alone."""
    seeds, users = values.shape
    by_seed = values.mean(1)  # (S,)
    rest = values - values.mean(0) - by_seed[:, None] + values.mean()  # (S, U)
    noise = float((rest**2).sum()) / ((seeds - 1) * (users - 1)) / users
    return _Part(max(0.0, float(by_seed.var(ddof=1)) - noise) / seeds, seeds - 1)


def _interval(mean: float, parts: list[_Part], level: float) -> Interval:
    from scipy import stats  # takes a second

    variance, freedom = _combined(parts)
    if variance == 0:
        return Interval(mean, mean, mean)
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half)


def _combined(parts: list[_Part]) -> tuple[float, float]:
    """Variance of the mean, and Satterthwaite's degrees of freedom."""
    variance = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.freedom for part in parts)
    return variance, variance**2 / spread if spread else 1.0

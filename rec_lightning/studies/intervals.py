"""Bootstrap intervals of a mean over users.

The interval is the percentile bootstrap (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993). A resample
of U users with replacement is drawn as multinomial counts over the distinct values: exactly the same distribution,
and far cheaper, because a metric at a cut-off of k takes at most k + 1 values.

Relations: ``ranked`` and ``scored`` give the values of users; ``contrast`` asks for these intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# U users, V distinct values, R resamples

_CELLS = 1 << 22  # bounds the memory of one chunk of resamples: R x V counts


@dataclass(frozen=True)
class Interval:
    """A mean over users and the interval around it."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: NDArray[np.float64], resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean over users with a percentile bootstrap interval.

    Args:
        values: (U,) one value a user, at least 2 users.
        resamples: number of resamples R, at least 100.
        level: share of the resampled means inside the interval, between 0 and 1.
        seed: of the resampling; an equal seed gives an equal interval.

    Returns:
        The mean and the interval's ends.

    Raises:
        ValueError: too few users or resamples, a level outside (0, 1), or a value that is not finite.

    Example:
        >>> bootstrap_mean(np.full(50, 0.25))
        Interval(mean=0.25, low=0.25, high=0.25)
    """
    if len(values) < 2:
        raise ValueError(f"an interval over users needs at least 2 users, got {len(values)}. Use a larger data set.")
    if resamples < 100 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap interval needs at least 100 resamples and a level between 0 and 1, "
            f"got {resamples} and {level}. Change resamples or level."
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"values per user must be finite, got {(~np.isfinite(values)).sum()} that are not. Look at the rankings."
        )
    tail = (1 - level) / 2
    low, high = np.quantile(_resampled_means(values, resamples, seed), [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean difference to a reference on the same users, each user resampled with both values.

    Args:
        values: (U,) one value a user.
        reference: (U,) the reference's values of the same users in the same order.
        resamples: number of resamples.
        level: share of the resampled differences inside the interval.
        seed: of the resampling.

    Returns:
        The mean of ``values - reference`` and the interval's ends.

    Raises:
        ValueError: different numbers of users, or as in ``bootstrap_mean``.

    Example:
        >>> paired_difference(np.array([1.0, 0.0, 0.5]), np.array([0.5, -0.5, 0.0])).mean
        0.5
    """
    if values.shape != reference.shape:
        raise ValueError(
            f"a paired difference needs the same users on both sides, got {len(values)} and {len(reference)}. "
            "Join the rows by user first."
        )
    return bootstrap_mean(values - reference, resamples, level, seed)


def _resampled_means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """(U,) -> (R,) means of U users drawn with replacement."""
    distinct, counts = np.unique(values, return_counts=True)  # (V,), (V,)
    generator = np.random.default_rng(seed)
    chunk = max(1, _CELLS // len(distinct))
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    share = counts / counts.sum()
    return np.concatenate([generator.multinomial(len(values), share, size=n) @ distinct for n in sizes]) / len(values)

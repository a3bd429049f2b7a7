"""Values per user from exact ranks, and bootstrap intervals of their mean over users.

The interval is the percentile bootstrap (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993). A resample
of U users with replacement is drawn as multinomial counts over the distinct values: exactly the same distribution,
and far cheaper, because a metric at a cut-off of k takes at most k + 1 values.

Relations: ``comparison`` asks for these; the point values are those of ``metrics``, computed here a second time on
purpose, so that a table rests on the rankings alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.aims import RANKED, split

# U users, V distinct values, R resamples

_CELLS = 1 << 22  # bounds the memory of one chunk of resamples: R x V counts


@dataclass(frozen=True)
class Interval:
    """A mean over users and the interval around it."""

    mean: float
    low: float
    high: float


def hit(ranks: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """(U,) ranks, 1 is best -> (U,) 1 where the target is in the top k.

    Example:
        >>> hit(np.array([1, 10, 11]), 10).tolist()
        [1.0, 1.0, 0.0]
    """
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """(U,) ranks, 1 is best -> (U,) NDCG at k with one relevant item.

    Example:
        >>> ndcg(np.array([1, 3, 11]), 10).tolist()
        [1.0, 0.5, 0.0]
    """
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


_FAMILIES = {"hr": hit, "ndcg": ndcg}


def per_user(metric: str, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The metric of each user.

    Args:
        metric: ``hr@K`` or ``ndcg@K`` with K at least 1.
        ranks: (U,) exact rank of each user's target, 1 is best.

    Returns:
        (U,) values.

    Raises:
        ValueError: another metric.

    Example:
        >>> per_user("hr@2", np.array([1, 2, 3])).tolist()
        [1.0, 1.0, 0.0]
    """
    match = RANKED.fullmatch(split(metric)[1])
    if match is None:
        raise ValueError(f"a metric of ranks must be one of hr@K, ndcg@K with K at least 1, got {metric!r}. Change it.")
    return _FAMILIES[match[1]](ranks, int(match[2]))


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

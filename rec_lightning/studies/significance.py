"""Tests of a paired difference over users, corrections for several comparisons, and the size of an effect.

All tests are two-sided and ask whether the mean (Wilcoxon: the median of symmetric differences) may be zero. Sign
flips: Fisher, *The Design of Experiments*, 1935, with the observed order counted in, so that p is never zero
(Phipson and Smyth, *Statistical Applications in Genetics and Molecular Biology* 9, 2010). Holm, *Scandinavian Journal
of Statistics* 6, 1979; Benjamini and Hochberg, *Journal of the Royal Statistical Society B* 57, 1995. Which test suits
retrieval metrics: Smucker, Allan and Carterette, CIKM 2007.

Relations: ``intervals`` gives the size of a difference and ``crossed`` the test that covers seeds too; ``findings``
says in words what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# U users, V distinct sizes of a difference, R random sign flips


def sign_flip(differences: NDArray[np.float64], resamples: int = 10_000, seed: int = 0) -> float:
    """The p of the mean difference under random signs, by simulation.

    The sum of c random signs times a size is drawn as one binomial number: exactly the same distribution as flipping
    each user, and far cheaper, because a metric at a cut-off of k takes few values.

    Args:
        differences: (U,) a difference a user.
        resamples: number of random flips R; p is at least 1 / (R + 1).
        seed: of the flips.

    Example:
        >>> sign_flip(np.full(3, 0.5), 20_000) > 0.2  # 2 of 8 sign patterns are as extreme
        True
    """
    _check(differences)
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)  # (V,), (V,)
    if not len(sizes):
        return 1.0
    observed = abs(float(differences.sum()))
    generator, extreme = np.random.default_rng(seed), 0
    chunk = max(1, (1 << 22) // len(sizes))
    for start in range(0, resamples, chunk):
        shape = (min(chunk, resamples - start), len(sizes))
        sums = (2 * generator.binomial(counts, 0.5, shape) - counts) @ sizes  # (R,)
        extreme += int((np.abs(sums) >= observed * (1 - 1e-12)).sum())
    return (extreme + 1) / (resamples + 1)


def paired_t(differences: NDArray[np.float64]) -> float:
    """The p of Student's paired test; 1 when nobody differs."""
    from scipy import stats  # takes a second

    _check(differences)
    return 1.0 if not differences.any() else float(stats.ttest_1samp(differences, 0.0).pvalue)


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """The p of Wilcoxon's signed ranks; users without a difference are left out, 1 when nobody differs."""
    from scipy import stats

    _check(differences)
    return 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)


def effect_size(differences: NDArray[np.float64]) -> float:
    """Mean difference in standard deviations of the differences (Cohen's d of pairs); 0 when nobody differs.

    Example:
        >>> effect_size(np.array([0.0, 1.0, 2.0]))
        1.0
    """
    _check(differences)
    deviation = float(differences.std(ddof=1))
    return float(differences.mean()) / deviation if deviation else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values adjusted so that a true null hypothesis is rejected anywhere with at most the level's probability.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """The p values adjusted so that the expected share of false rejections is at most the level.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03])
        [0.03, 0.04, 0.04]
    """
    from scipy import stats

    return [round(float(p), 15) for p in stats.false_discovery_control(p_values)] if len(p_values) else []


def _check(differences: NDArray[np.float64]) -> None:
    if differences.ndim != 1 or len(differences) < 2 or not np.isfinite(differences).all():
        raise ValueError(
            f"a test over users needs at least 2 finite differences, got shape {differences.shape} with "
            f"{int((~np.isfinite(differences)).sum())} that are not finite. Look at the rankings."
        )

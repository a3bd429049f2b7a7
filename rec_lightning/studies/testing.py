"""The test and the correction that a study names, for any two of its rows.

``sign_flips`` (default) flips users' signs where both rows have one run, and takes Student's t with seeds and users as
crossed sources of variance where one has several. ``t`` and ``wilcoxon`` are the paired tests that many papers print;
over several seeds they see the users' means alone, so the chance of training again is left out, and their name says so.

Relations: ``significance`` and ``crossed`` compute; ``evidence`` asks about the reference, ``pairs`` about any
two rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.crossed import crossed_test
from rec_lightning.studies.significance import benjamini_hochberg, holm, paired_t, sign_flip, wilcoxon

SIGN_FLIP = "random sign flips over users"
CROSSED = "Student's t with seeds and users as crossed sources of variance"
_PAIRED: dict[str, tuple[str, Callable[[NDArray[np.float64]], float]]] = {
    "t": ("Student's paired t over users", paired_t),
    "wilcoxon": ("Wilcoxon's signed ranks over users", wilcoxon),
}
_ADJUST = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}

# S seeds, U users


def compare_pair(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    test: str = "sign_flips",
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[str, float]:
    """The test's name and its two-sided p.

    Args:
        values: (S, U) of a row.
        reference: (S', U) of the other, the same users in the same order.
        test: ``sign_flips``, ``t`` or ``wilcoxon``.
        resamples: number of random sign flips.
        seed: of the flips.
    """
    several = max(len(values), len(reference)) > 1
    differences = values.mean(0) - reference.mean(0)  # (U,)
    if test in _PAIRED:
        name, compute = _PAIRED[test]
        return f"{name}{', the means of their seeds' if several else ''}", compute(differences)
    if several:
        return CROSSED, crossed_test(values, reference)
    return SIGN_FLIP, sign_flip(differences, resamples, seed)


def adjust(p_values: Sequence[float], correction: str = "holm") -> list[float]:
    """The p values after the correction for their number.

    Args:
        p_values: of all comparisons.
        correction: ``holm`` or ``benjamini_hochberg``.

    Example:
        >>> adjust([0.01, 0.04, 0.03], "benjamini_hochberg")
        [0.03, 0.04, 0.04]
    """
    return _ADJUST[correction](p_values)

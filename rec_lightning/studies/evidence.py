"""How strong a row's difference to the reference is: a test, its correction for several rows, and an effect size.

Relations: the test is one of ``contrast``; ``comparison`` asks for it and ``findings`` puts it into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.significance import benjamini_hochberg, effect_size, holm
from rec_lightning.studies.study import CORRECTIONS

# S seeds, U users

ALPHA = 0.05


@dataclass(frozen=True)
class Evidence:
    """What is known of a difference in the primary metric.

    Args:
        test: its name.
        p: of the test, two-sided.
        effect: mean difference in standard deviations of the users' differences.
        relative: the difference and its interval as a share of the reference's mean; None when that is zero.
        holm: p after Holm over all rows of the study.
        benjamini_hochberg: p after Benjamini and Hochberg over all rows of the study.
        comparisons: number of these rows.
        correction: which of the two decides, ``holm`` or ``benjamini_hochberg``.
    """

    test: str
    p: float
    effect: float
    relative: Interval | None
    holm: float = 1.0
    benjamini_hochberg: float = 1.0
    comparisons: int = 1
    correction: str = "holm"

    @property
    def adjusted(self) -> float:
        """P after the correction that decides."""
        return self.holm if self.correction == "holm" else self.benjamini_hochberg

    @property
    def corrected_by(self) -> str:
        """Whose correction it is."""
        return CORRECTIONS[self.correction]

    @property
    def supported(self) -> bool:
        """Whether the difference holds at 5 % after the correction."""
        return self.adjusted < ALPHA


def weigh(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    difference: Interval,
    test: str,
    p: float,
) -> Evidence:
    """What one difference says, still without correction.

    Args:
        values: (S, U) of the row.
        reference: (S', U) of the reference, the same users in the same order.
        difference: with its interval.
        test: its name.
        p: of the test.
    """
    per_user = values.mean(0) - reference.mean(0)  # (U,)
    base = float(reference.mean())
    relative = Interval(*(v / base for v in (difference.mean, difference.low, difference.high))) if base else None
    return Evidence(test, p, effect_size(per_user), relative)


def corrected(evidence: Sequence[Evidence], correction: str = "holm") -> list[Evidence]:
    """The same with p values corrected for their number.

    Args:
        evidence: of all rows.
        correction: which of the two decides.
    """
    p_values = [item.p for item in evidence]
    both = zip(evidence, holm(p_values), benjamini_hochberg(p_values), strict=True)
    return [
        replace(e, holm=h, benjamini_hochberg=b, comparisons=len(evidence), correction=correction) for e, h, b in both
    ]

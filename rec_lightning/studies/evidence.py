"""How strong a row's difference to the reference is: a test, its correction for several rows, and an effect size.

Relations: tests of ``significance`` and ``crossed``; ``comparison`` asks for it and ``findings`` puts it into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.crossed import crossed_test
from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.significance import benjamini_hochberg, effect_size, holm, sign_flip

# S seeds, U users

ALPHA = 0.05
SIGN_FLIP = "random sign flips over users"
CROSSED = "Student's t with seeds and users as crossed sources of variance"


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
    """

    test: str
    p: float
    effect: float
    relative: Interval | None
    holm: float = 1.0
    benjamini_hochberg: float = 1.0
    comparisons: int = 1

    @property
    def supported(self) -> bool:
        """Whether the difference holds at 5 % after Holm."""
        return self.holm < ALPHA


def weigh(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    difference: Interval,
    resamples: int = 10_000,
    seed: int = 0,
) -> Evidence:
    """Tests one difference, still without correction.

    Args:
        values: (S, U) of the row.
        reference: (S', U) of the reference, the same users in the same order.
        difference: with its interval.
        resamples: number of random sign flips, where both sides have one run.
        seed: of the flips.
    """
    per_user = values.mean(0) - reference.mean(0)  # (U,)
    if len(values) == len(reference) == 1:
        test, p = SIGN_FLIP, sign_flip(per_user, resamples, seed)
    else:
        test, p = CROSSED, crossed_test(values, reference)
    base = float(reference.mean())
    relative = Interval(*(v / base for v in (difference.mean, difference.low, difference.high))) if base else None
    return Evidence(test, p, effect_size(per_user), relative)


def corrected(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The same with p values corrected for their number."""
    p_values = [item.p for item in evidence]
    both = zip(evidence, holm(p_values), benjamini_hochberg(p_values), strict=True)
    return [replace(e, holm=h, benjamini_hochberg=b, comparisons=len(evidence)) for e, h, b in both]

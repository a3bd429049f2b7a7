"""Every row against every other: who is really best, and which rows cannot be told apart.

Relations: the tests of ``contrast``, here between any two rows; ``latex`` prints the best in bold only where this
supports it, ``critical`` draws the groups.
"""

from __future__ import annotations

from itertools import combinations

from rec_lightning.studies.aims import direction
from rec_lightning.studies.contrast import p_of
from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.evidence import ALPHA
from rec_lightning.studies.testing import adjust


def winner(comparison: Comparison, metric: str) -> Line | None:
    """The row that is better than each of the others after the correction; None where the best one is not.

    Args:
        comparison: the study's outcome.
        metric: of the study.
    """
    if len(comparison.lines) < 2:
        return None
    best = max(comparison.lines, key=lambda line: direction(metric) * line.scores[metric].mean)
    others = [line for line in comparison.lines if line is not best]
    p_values = [_p(comparison, best, other, metric) for other in others]
    return best if max(adjust(p_values, comparison.study.correction)) < ALPHA else None


def groups(comparison: Comparison, lines: list[Line], metric: str) -> list[tuple[int, int]]:
    """Longest stretches of rows in which no two differ after the correction over all pairs.

    Args:
        comparison: the study's outcome.
        lines: in the order of their quality.
        metric: of the study.

    Returns:
        First and last position of each stretch of at least two rows; none lies inside another.
    """
    pairs = list(combinations(range(len(lines)), 2))
    adjusted = adjust([_p(comparison, lines[a], lines[b], metric) for a, b in pairs], comparison.study.correction)
    differ = {pair for pair, p in zip(pairs, adjusted, strict=True) if p < ALPHA}
    found: list[tuple[int, int]] = []
    for first in range(len(lines)):
        last = first
        while last + 1 < len(lines) and not any((n, last + 1) in differ for n in range(first, last + 1)):
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _p(comparison: Comparison, a: Line, b: Line, metric: str) -> float:
    return p_of(comparison.study, metric, a.runs, b.runs)[1]

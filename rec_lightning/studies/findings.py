"""What a study's evidence supports, row by row, in plain sentences, and what it does not.

Relations: the numbers are those of ``evidence``; the report and the Markdown table print them.
"""

from __future__ import annotations

from rec_lightning.studies.aims import direction
from rec_lightning.studies.entries import LEVEL, Comparison, Line
from rec_lightning.studies.evidence import ALPHA, Evidence
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.study import CORRECTIONS


def findings(comparison: Comparison) -> list[str]:
    """A sentence for each row with a difference to the reference, then how far they reach.

    Args:
        comparison: the study's outcome.
    """
    told = [_finding(comparison, line, line.evidence) for line in comparison.lines if line.evidence]
    return [*told, _reach(comparison)] if told else []


def p_text(p: float) -> str:
    """A p value as papers print it.

    Example:
        >>> [p_text(p) for p in (0.00004, 0.0021, 0.031, 0.35, 1.0)]
        ['p < .001', 'p = .002', 'p = .031', 'p = .350', 'p = 1']
    """
    if p < 0.001:
        return "p < .001"
    return "p = 1" if p > 0.9995 else f"p = {p:.3f}".replace("0.", ".", 1)


def _finding(comparison: Comparison, line: Line, evidence: Evidence) -> str:
    metric, reference = metric_label(comparison.study.primary), comparison.study.reference
    name, versus = line.spec.name, evidence.relative or line.versus
    assert versus is not None  # a line with evidence has a difference
    unit = " %" if evidence.relative else ""
    numbers = f"{100 * LEVEL:.0f} % interval {_ends(versus, unit)}, {_p(evidence)}"
    if evidence.supported:
        verb = "beats" if direction(comparison.study.primary) * versus.mean > 0 else "is worse than"
        return f"{name} {verb} {reference} by {_number(abs(versus.mean), unit)} {metric} ({numbers})."
    return (
        f"No difference between {name} and {reference} is supported: {_number(versus.mean, unit, '+')} {metric} "
        f"({numbers}); nor are they shown to be equal, since anything in the interval is compatible with the data."
    )


def _p(evidence: Evidence) -> str:
    if evidence.comparisons == 1:
        return p_text(evidence.p)
    return f"{p_text(evidence.adjusted)} after {evidence.corrected_by} over {evidence.comparisons} comparisons"


def _ends(interval: Interval, unit: str) -> str:
    return f"{_number(interval.low, unit).removesuffix(unit)} to {_number(interval.high, unit)}"


def _number(value: float, unit: str, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}{unit}" if unit or abs(value) >= 0.1 else f"{value:{sign}.4f}"


def _by(comparison: Comparison) -> str:
    return CORRECTIONS[comparison.study.correction]


def _reach(comparison: Comparison) -> str:
    lines = [line for line in comparison.lines if line.evidence]
    tests = sorted({line.evidence.test for line in lines if line.evidence})
    seeds = "" if any(len(line.runs) > 1 for line in lines) else ", and on training again with another seed"
    return (
        f"Tests: {' or '.join(tests)}, two-sided, at {100 * ALPHA:.0f} % after {_by(comparison)}; differences as a "
        f"share of the mean of {comparison.study.reference}. Differences between other pairs of rows are not tested, "
        f"and nothing is said on other data{seeds}."
    )

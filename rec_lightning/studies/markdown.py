"""A study's outcome as a Markdown table, ready for a README.

Relations: the same cells as ``table`` and ``report``; numbers without the leading zero, as papers print them.
"""

from __future__ import annotations

from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.findings import findings
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.wording import (
    caution,
    cost,
    mark,
    protocol,
    published_cell,
    published_metrics,
    searched,
    sources,
    versus_label,
)


def markdown_table(comparison: Comparison) -> str:
    """The table, and under it what was measured and what it does not show.

    Args:
        comparison: the study's outcome.
    """
    heads = ["row", *map(metric_label, comparison.study.metrics)]
    if comparison.reference is not None:
        heads.append(versus_label(comparison))
    heads += map(metric_label, comparison.study.also)
    heads += [f"published {metric_label(metric)} (ours)" for metric in published_metrics(comparison)]
    heads += ["trainable (share)", "seeds", "wall", "peak memory"]
    rows = [heads, ["---"] * len(heads)]
    for entry in comparison.entries:
        cells = _cells(comparison, entry) if isinstance(entry, Line) else ["no result"] + [""] * (len(heads) - 2)
        rows.append([entry.spec.name, *cells])
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in row) + " |" for row in rows]
    notes = [protocol(comparison), sources(comparison), caution(comparison)] if comparison.lines else []
    told = [*notes, *searched(comparison), "\n".join(f"- {finding}" for finding in findings(comparison))]
    return "\n".join(lines) + "\n" + "".join(f"\n{note}\n" for note in told if note)


def _cells(comparison: Comparison, line: Line) -> list[str]:
    cells = [f"{_short(s.mean)} [{_short(s.low)}, {_short(s.high)}]" for s in line.scores.values()]
    if comparison.reference is not None:
        cells.append(_signed(line.versus, mark(line)) if line.versus else "reference")
    cells += map(_short, line.also.values())
    for metric in published_metrics(comparison):
        theirs, relative = published_cell(line, metric)
        cells.append(f"{theirs.removeprefix('0')} ({relative})" if theirs else "")
    trainable, share, wall, peak = cost(line)
    return [*cells, f"{trainable} ({share})", str(len(line.runs)), wall, peak]


def _signed(interval: Interval, mark: str) -> str:
    low, mean, high = (
        f"{'-' if value < 0 else '+'}{_short(abs(value))}" for value in (interval.low, interval.mean, interval.high)
    )
    return f"{mean}{mark} [{low}, {high}]"


def _short(value: float) -> str:
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text

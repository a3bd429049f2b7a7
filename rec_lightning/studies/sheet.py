"""A study's outcome as CSV: one line a row, every number as it is.

Relations: ``markdown`` and ``latex`` print the same for people.
"""

from __future__ import annotations

import csv
import io
from statistics import fmean

from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.wording import energy, peak, wall


def csv_table(comparison: Comparison) -> str:
    """The table with a head; a row without a result has empty cells.

    Args:
        comparison: the study's outcome.
    """
    buffer = io.StringIO()
    heads, rows = sheet(comparison)
    writer = csv.DictWriter(buffer, heads, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def sheet(comparison: Comparison) -> tuple[list[str], list[dict[str, object]]]:
    """The heads, and each row's cells by head; a row without a result has its name alone."""
    rows = [{"row": e.spec.name, **(_cells(comparison, e) if isinstance(e, Line) else {})} for e in comparison.entries]
    return list(dict.fromkeys(key for row in rows for key in row)), rows


def _cells(comparison: Comparison, line: Line) -> dict[str, object]:
    cells: dict[str, object] = {**line.spec.levels, "verb": line.spec.verb, "runs": len(line.runs)}
    for metric, interval in line.scores.items():
        cells |= {metric: interval.mean, f"{metric} low": interval.low, f"{metric} high": interval.high}
        cells[f"{metric} std over seeds"] = line.spread.get(metric)
    cells |= line.also
    primary = comparison.study.primary
    if line.versus and line.evidence:
        names = (f"{primary} minus reference", "difference low", "difference high")
        cells |= dict(zip(names, (line.versus.mean, line.versus.low, line.versus.high), strict=True))
        cells |= {"p": line.evidence.p, "p holm": line.evidence.holm, "p bh": line.evidence.benjamini_hochberg}
        cells |= {"effect size": line.evidence.effect}
    manifest = line.row.manifest
    return cells | {
        "trainable": manifest.trainable,
        "parameters": manifest.total,
        "wall seconds": wall(line),
        "cpu seconds": fmean(run.row.manifest.cpu for run in line.runs),
        "peak memory MB": peak(line),
        **energy(line),
    }

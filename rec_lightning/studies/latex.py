r"""A study's outcome as a LaTeX table for a paper: booktabs, mean and standard deviation over seeds.

The best value is bold only where it is better than every other row after Holm's correction; a star marks a supported
difference to the reference. Test and correction stand in the caption. Needs ``\usepackage{booktabs}``.

Relations: the same numbers as ``table``; ``pairs`` decides on bold.
"""

from __future__ import annotations

import re

from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.evidence import ALPHA
from rec_lightning.studies.formats import count, metric_label
from rec_lightning.studies.pairs import winner
from rec_lightning.studies.study import CORRECTIONS
from rec_lightning.studies.wording import mark

_SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
            "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
            "<": r"\textless{}", ">": r"\textgreater{}"}  # fmt: skip


def latex_table(comparison: Comparison, differences: bool = False) -> str:
    """The table with its caption.

    Args:
        comparison: the study's outcome.
        differences: whether a column holds the primary metric's difference to the reference.
    """
    metrics = comparison.study.metrics
    best = {metric: winner(comparison, metric) for metric in metrics}
    rows = []
    for entry in comparison.entries:
        if isinstance(entry, Line):
            cells = [_cell(entry, metric, best[metric] is entry, comparison.study.primary) for metric in metrics]
            cells += [_difference(entry)] if differences else []
            cells += [f"${_short(value)}$" for value in entry.also.values()]
            rows.append([escape(entry.spec.name), *cells, escape(count(entry.row.manifest.trainable))])
        else:
            rows.append(
                [escape(entry.spec.name), *["--"] * (len(metrics) + 1 + differences + len(comparison.study.also))]
            )
    change = [f"$\\Delta$ {escape(metric_label(comparison.study.primary))}"] if differences else []
    told = [escape(metric_label(metric)) for metric in comparison.study.also]
    heads = ["", *(escape(metric_label(metric)) for metric in metrics), *change, *told, "trainable"]
    body = "\n".join(f"{' & '.join(row)} \\\\" for row in rows)
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_caption(comparison)}}}\n"
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n\\toprule\n{' & '.join(heads)} \\\\\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def escape(text: str) -> str:
    r"""Plain text for LaTeX.

    Example:
        >>> escape("5 % of a_b")
        '5 \\% of a\\_b'
    """
    return re.sub(r"[&%$#_{}~^\\<>]", lambda match: _SPECIAL[match[0]], text)


def _cell(line: Line, metric: str, best: bool, primary: str) -> str:
    value = _short(line.scores[metric].mean)
    text = f"\\mathbf{{{value}}}" if best else value
    if metric in line.spread:
        text += f" \\pm {_short(line.spread[metric])}"
    return f"${text}{'^{*}' if metric == primary and mark(line) else ''}$"


def _difference(line: Line) -> str:
    if line.versus is None:
        return "--"
    sign = "-" if line.versus.mean < 0 else "+"
    return f"${sign}{_short(abs(line.versus.mean))}${_relative(line)}"


def _relative(line: Line) -> str:
    relative = line.evidence.relative if line.evidence else None
    return f" ({100 * relative.mean:+.1f}\\,\\%)" if relative else ""


def _short(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _caption(comparison: Comparison) -> str:
    study = comparison.study
    parts = [f"{study.title.rstrip('.')}." if not study.title.endswith("?") else study.title]
    seeds = sorted({len(line.runs) for line in comparison.lines})
    if seeds and seeds[-1] > 1:
        parts.append(f"Mean and standard deviation over {' or '.join(map(str, seeds))} seeds.")
    elif comparison.lines:
        parts.append("One run a row.")
    by = CORRECTIONS[study.correction]
    tests = sorted({line.evidence.test for line in comparison.lines if line.evidence})
    if tests:
        rows = sum(line.evidence is not None for line in comparison.lines)
        parts.append(
            f"Star: differs from {study.reference} in {metric_label(study.primary)} ({' or '.join(tests)}, two-sided, "
            f"{100 * ALPHA:.0f} % after {by} over {rows} rows)."
        )
    parts.append(f"Bold: better than every other row by the same test after {by}; no bold where that is not shown.")
    return escape(" ".join(parts))

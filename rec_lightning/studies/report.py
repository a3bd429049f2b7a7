"""A study's outcome as one self-contained HTML page.

Relations: ``page`` is its frame; the cells are those of ``table``, the words those of ``wording``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from rec_lightning.studies.critical import critical_figure
from rec_lightning.studies.curves import curves_figure
from rec_lightning.studies.drawing import inline_svg
from rec_lightning.studies.entries import Comparison, Failure, Line, Missing
from rec_lightning.studies.figure import comparison_figure
from rec_lightning.studies.findings import findings
from rec_lightning.studies.formats import NOTHING, change, change_span, ending, metric_label, score, seconds, span
from rec_lightning.studies.levels import levels_figure
from rec_lightning.studies.manifest import Manifest
from rec_lightning.studies.page import Cell, facts, page, paragraph, section, sortable
from rec_lightning.studies.pareto import pareto_figure
from rec_lightning.studies.reliability import reliability_figure
from rec_lightning.studies.searched import search_figure
from rec_lightning.studies.wording import (
    caution,
    cost,
    energy,
    mark,
    peak,
    protocol,
    published_cell,
    published_metrics,
    searched,
    sources,
    versus_label,
    wall,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_page(comparison: Comparison) -> str:
    """The page as HTML.

    Args:
        comparison: the study's outcome; rows without a result are told as such.
    """
    study = comparison.study
    parts = [f"<h1>{escape(study.title)}</h1>", section("Question", paragraph(study.question))]
    if comparison.lines:
        told = [paragraph(text) for text in (protocol(comparison), sources(comparison)) if text]
        parts.append(section("Protocol", *told, paragraph(caution(comparison), "warn")))
    parts.append(section("Results", _results(comparison)))
    if told := findings(comparison):
        parts.append(section("What the evidence supports", *map(paragraph, told)))
    if comparison.lines:
        parts += _pictures(comparison)
    if tried := searched(comparison):
        parts.append(section("Chosen on validation", *map(paragraph, tried), *_searches(comparison)))
    if comparison.failures:
        parts.append(section("Runs without a result", *map(_failure, comparison.failures)))
    parts.append(_reproduce(comparison))
    if comparison.lines:
        parts.append(_environment(comparison.lines))
    return page(study.title, "\n".join(parts))


def _results(comparison: Comparison) -> str:
    heads = ["row", *map(metric_label, comparison.study.metrics)]
    if comparison.reference is not None:
        heads.append(versus_label(comparison))
    heads += map(metric_label, comparison.study.also)
    heads += [f"published {metric_label(metric)}" for metric in published_metrics(comparison)]
    heads += ["trainable, of all", "wall time", "peak memory", "first step"]
    rows = [_cells(comparison, e) if isinstance(e, Line) else _failed_cells(e, len(heads)) for e in comparison.entries]
    note = (
        "Under each score its interval; under the first step (from the start of the command) the training examples "
        "per second. A click on a head sorts."
    )
    return sortable(heads, rows) + paragraph(note, "muted")


def _cells(comparison: Comparison, line: Line) -> list[Cell]:
    manifest = line.row.manifest
    cells = [Cell(line.spec.name, _runs(line), line.spec.name)]
    cells += [Cell(score(s), span(s), s.mean) for s in line.scores.values()]
    if comparison.reference is not None:
        versus = line.versus
        cells.append(
            Cell(change(versus) + mark(line), change_span(versus), versus.mean)
            if versus
            else Cell("reference", "", 0.0)
        )
    cells += [Cell(f"{value:.3f}", "", value) for value in line.also.values()]
    for metric in published_metrics(comparison):
        theirs, relative = published_cell(line, metric)
        cells.append(Cell(theirs, relative, theirs))
    trainable, share, time, memory = cost(line)
    first, pace = manifest.first_step, manifest.examples_per_second
    return [
        *cells,
        Cell(trainable, share, manifest.trainable),
        Cell(time, _cpu(line), wall(line)),
        Cell(memory, "", peak(line)),
        Cell(NOTHING) if first is None else Cell(seconds(first), f"{pace:,.0f} / s" if pace else "", first),
    ]


def _cpu(line: Line) -> str:
    used = energy(line)
    told = f", {1000 * used['kWh']:.2g} Wh" if used else ""
    return f"cpu {seconds(fmean(run.row.manifest.cpu for run in line.runs))}{told}"


def _runs(line: Line) -> str:
    return line.spec.verb if len(line.runs) == 1 else f"{line.spec.verb}, {len(line.runs)} seeds"


def _failed_cells(missing: Missing, columns: int) -> list[Cell]:
    empty = [Cell(NOTHING)] * (columns - 2)
    return [Cell(missing.spec.name, missing.spec.verb, missing.spec.name), Cell("no result", style="bad"), *empty]


def pictures(comparison: Comparison) -> dict[str, Figure]:
    """Every picture that the study has what it needs for, by its heading; of at least one row with a result."""
    drawn = {
        "Picture": comparison_figure(comparison),
        "By factor": levels_figure(comparison),
        "Learning curves": curves_figure(comparison),
        "Quality against cost": pareto_figure(comparison),
        "Critical differences": critical_figure(comparison),
        "Reliability": reliability_figure(comparison),
    }
    return {heading: figure for heading, figure in drawn.items() if figure is not None}


def _pictures(comparison: Comparison) -> list[str]:
    metric = metric_label(comparison.study.primary)
    labels = {
        "Picture": f"{comparison.study.title}: means and 95 % intervals of {len(comparison.lines)} rows, as in the "
        "table",
        "By factor": f"{metric} by level of each factor",
        "Learning curves": f"{metric} on the validation users by epoch",
        "Quality against cost": f"{metric} against parameters, time and memory",
        "Critical differences": f"average rank of each row by {metric}",
        "Reliability": "how often the label is 1 by the probability that a row predicts",
    }
    drawn = pictures(comparison).items()
    return [section(heading, inline_svg(figure, labels[heading])) for heading, figure in drawn]


def _searches(comparison: Comparison) -> list[str]:
    """A picture for each row whose ranges were searched."""
    metric = comparison.study.primary
    rows = [entry.spec for entry in comparison.entries]
    drawn = [(row, search_figure(row, metric)) for row in rows if row.trials]
    return [
        paragraph(row.name) + inline_svg(figure, f"search of {row.name}: {metric_label(metric)} of each try")
        for row, figure in drawn
        if figure is not None
    ]


def _failure(failure: Failure) -> str:
    return (
        paragraph(f"{failure.name} {ending(failure.code)}:", "bad")
        + f"<pre>{escape(chr(10).join(failure.error))}</pre>"
    )


def _reproduce(comparison: Comparison) -> str:
    commands: list[str] = []
    for entry in comparison.entries:
        runs = entry.runs if isinstance(entry, Line) else ()
        lines = [run.command for run in runs] + [failure.command for failure in entry.failures]
        commands.append(f"{paragraph(entry.spec.name)}<pre>{escape(chr(10).join(lines))}</pre>")
    note = "Each line is one run by itself; one that is complete in its folder is kept."
    return section("How to run each row again", paragraph(note, "muted"), *commands)


def _environment(lines: Sequence[Line]) -> str:
    first = lines[0].row.manifest
    data, code = first.data, _code(first)
    others = sorted({_code(run.row.manifest) for line in lines for run in line.runs} - {code})
    pairs = [
        ("code", code),
        *(("code of other rows", other) for other in others),
        ("data", f"{data.name}, from {data.source}"),
        ("licence of the data", data.licence),
        ("fingerprint of the data", data.fingerprint),
        *((name.replace("_", " "), str(value)) for name, value in first.hardware.items() if value is not None),
    ]
    packages = [(name, str(version)) for name, version in sorted(first.packages.items())]
    folded = f"<details><summary>{len(packages)} packages</summary>{facts(packages)}</details>"
    return section("Environment", facts(pairs), folded)


def _code(manifest: Manifest) -> str:
    commit = f", commit {manifest.commit}" if manifest.commit else ", not under version control"
    return f"rec_lightning {manifest.version}{commit}{' with uncommitted changes' if manifest.dirty else ''}"

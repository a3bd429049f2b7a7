"""A study's outcome as a table for the terminal.

Relations: ``report`` shows the same cells as HTML; the words come from ``wording``.
"""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rec_lightning.studies.entries import Comparison, Failure, Line
from rec_lightning.studies.formats import change, change_span, ending, metric_label, score, span
from rec_lightning.studies.wording import (
    caution,
    cost,
    mark,
    protocol,
    published_cell,
    published_metrics,
    sources,
    versus_label,
)


def result_table(comparison: Comparison) -> RenderableType:
    """Table, protocol, caution, and the last lines of every row that failed.

    Args:
        comparison: the study's outcome.
    """
    parts: list[RenderableType] = [_table(comparison)]
    if comparison.lines:
        notes = [protocol(comparison), sources(comparison)]
        parts += [_note(note) for note in notes if note] + [_note(caution(comparison), "yellow")]
    parts += [_failure(failure) for failure in comparison.failures]
    return Group(*parts)


def _table(comparison: Comparison) -> Table:
    title = Text(comparison.study.title, "bold")
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )  # 80 columns hold it
    table.add_column("row", min_width=12)
    heads = [metric_label(metric) for metric in comparison.study.metrics]
    if comparison.reference is not None:
        heads.append(versus_label(comparison).replace(" to ", "\nto "))
    heads += map(metric_label, comparison.study.also)
    heads += [f"published\n{metric_label(metric)}" for metric in published_metrics(comparison)]
    for head in [*heads, "trainable\nof all", "wall time\npeak mem."]:
        table.add_column(head, justify="right", no_wrap=True)
    for entry in comparison.entries:
        cells = _cells(comparison, entry) if isinstance(entry, Line) else [Text("failed", "red")]
        table.add_row(Text(entry.spec.name), *cells)
    return table


def _cells(comparison: Comparison, line: Line) -> list[Text]:
    cells = [_two(score(s), span(s)) for s in line.scores.values()]
    if comparison.reference is not None:
        cells.append(
            _two(change(line.versus) + mark(line), change_span(line.versus))
            if line.versus
            else Text("reference", "dim")
        )
    cells += [Text(f"{value:.3f}") for value in line.also.values()]
    cells += [_two(*published_cell(line, metric)) for metric in published_metrics(comparison)]
    trainable, share, wall, peak = cost(line)
    return [*cells, _two(trainable, share), _two(wall, peak)]


def _two(value: str, below: str) -> Text:
    return Text.assemble(value, "\n", (below, "dim"))


def _note(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style), (1, 0, 0, 0))


def _failure(failure: Failure) -> Padding:
    head = Text(f"{failure.name} {ending(failure.code)}:", "bold red")
    return Padding(Text("\n").join([head, *(Text(f"  {line}") for line in failure.error)]), (1, 0, 0, 0))

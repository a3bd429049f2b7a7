"""A study's outcome as a table for the terminal.

Relations: ``report`` shows the same cells as HTML; the words come from ``wording``.
"""

from __future__ import annotations

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
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

_NAME = 12  # least width of a row's name


def result_table(comparison: Comparison) -> RenderableType:
    """Table, protocol, caution, and the last lines of every row that failed.

    Args:
        comparison: the study's outcome.
    """
    parts: list[RenderableType] = [_Stacked(comparison)]
    if comparison.lines:
        notes = [protocol(comparison), sources(comparison)]
        parts += [_note(note) for note in notes if note] + [_note(caution(comparison), "yellow")]
    parts += [_failure(failure) for failure in comparison.failures]
    return Group(*parts)


class _Stacked:
    """One table, or several below each other where the columns are wider than the terminal."""

    def __init__(self, comparison: Comparison) -> None:
        self.title = comparison.study.title
        self.names = [entry.spec.name for entry in comparison.entries]
        self.heads = [*_heads(comparison), "trainable\nof all", "wall time\npeak mem."]
        self.rows = [_cells(comparison, entry) if isinstance(entry, Line) else [] for entry in comparison.entries]
        self._columns = [[row[number] for row in self.rows if row] for number in range(len(self.heads))]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol: columns are put side by side until the next one does not fit."""
        widths = [
            2 + max(map(_width, [Text(head), *cells])) for head, cells in zip(self.heads, self._columns, strict=True)
        ]
        room = options.max_width - sum(widths)  # of a name, where one table holds all
        name = min(max([3, *map(len, self.names)]), room if room >= _NAME else options.max_width // 3)
        title, taken, columns = self.title, name, list[int]()
        for number, width in enumerate(widths):
            if columns and taken + width > options.max_width:
                yield self._table(title, columns, name)
                title, taken, columns = "", name, []
            columns, taken = [*columns, number], taken + width
        yield self._table(title, columns, name)

    def _table(self, title: str, columns: list[int], width: int) -> Table:
        table = Table(title=Text(title, "bold") if title else None, box=box.SIMPLE_HEAD, title_justify="left",
                      show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
        table.add_column("row", max_width=width)
        for number in columns:
            table.add_column(self.heads[number], justify="right", no_wrap=True)
        for name, row in zip(self.names, self.rows, strict=True):
            table.add_row(Text(name), *([row[number] for number in columns] if row else [Text("failed", "red")]))
        return table


def _width(text: Text) -> int:
    return max(map(len, text.plain.split("\n")))


def _heads(comparison: Comparison) -> list[str]:
    heads = [metric_label(metric) for metric in comparison.study.metrics]
    if comparison.reference is not None:
        heads.append(versus_label(comparison).replace(" to ", "\nto "))
    heads += map(metric_label, comparison.study.also)
    return heads + [f"published\n{metric_label(metric)}" for metric in published_metrics(comparison)]


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

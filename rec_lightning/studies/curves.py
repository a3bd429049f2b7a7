"""Learning curves of the rows that left a history: the primary metric on the validation users by epoch.

A row with several seeds shows their mean, as far as all of them went.

Relations: ``figure`` shows where the rows ended, on the test users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from rec_lightning.studies.aims import is_ranked
from rec_lightning.studies.drawing import BLUE, GREEN, INK, MUTED, VERMILION, bare, figure_of
from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.formats import metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without yellow, which is too light on white
COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", ":")  # a second round of the palette is dashed
_GAP = 0.055  # least distance of two labels, as a share of the panel's height


def curves_figure(comparison: Comparison) -> Figure | None:
    """Draws one line a row.

    Args:
        comparison: the study's outcome.

    Returns:
        None when no row left a history of the primary metric.
    """
    key = f"val/{comparison.study.primary}"
    found = {line.spec.name: _series(line, key) for line in comparison.lines}
    series = {name: table for name, table in found.items() if table.height}
    if not series:
        return None
    from matplotlib.ticker import MaxNLocator

    figure, (panel,) = figure_of(8.6, 3.4, 1)
    figure.subplots_adjust(left=0.07, right=0.74, top=0.88, bottom=0.14)
    bare(panel)
    panel.set_title(
        f"{metric_label(comparison.study.primary)} on validation", loc="left", fontsize=9.5, color=INK, pad=8
    )
    panel.set_xlabel("epoch", fontsize=8.5, color=MUTED)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    for number, table in enumerate(series.values()):
        style = STYLES[number // len(COLOURS) % len(STYLES)]
        panel.plot(table["epoch"], table["value"], style, color=_colour(number), linewidth=1.8)
    if is_ranked(comparison.study.primary):
        panel.set_ylim(bottom=0)
    _labels(panel, series)
    return figure


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _series(line: Line, key: str) -> pl.DataFrame:
    """Epoch and the mean over the seeds; an epoch that not every run reached is left out."""
    histories = [run.row.history for run in line.runs if run.row.history is not None]
    if not histories:
        return pl.DataFrame({"epoch": [], "value": []})
    values = pl.concat(histories).filter(pl.col("key") == key).group_by("epoch")
    table = values.agg(pl.col("value").mean(), runs=pl.len()).filter(pl.col("runs") == len(histories))
    return table.sort("epoch").select("epoch", "value")


def _labels(panel: Axes, series: dict[str, pl.DataFrame]) -> None:
    """Names at the right edge, at the height of the last value, moved apart where they would overlap."""
    bottom, top = panel.get_ylim()
    ends = [
        ((table["value"][-1] - bottom) / (top - bottom), number, name)
        for number, (name, table) in enumerate(series.items())
    ]
    height = -_GAP
    for wanted, number, name in sorted(ends):
        height = max(wanted, height + _GAP)
        panel.text(1.015, height, name, transform=panel.transAxes, va="center", fontsize=8.5, color=_colour(number))

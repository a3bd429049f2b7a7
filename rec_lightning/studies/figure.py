"""A study's outcome as a picture: one panel a metric, one dot with its interval a row.

Baselines, trained and fused rows differ in colour and in the shape of the dot; values stand beside the dots.
Matplotlib is imported where a picture is drawn, without a display.

Relations: ``curves`` draws the way there, ``report`` puts both into its page, ``drawing`` writes the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rec_lightning.studies.aims import is_ranked
from rec_lightning.studies.drawing import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PALE,
    PURPLE,
    VERMILION,
    bare,
    behind,
    figure_of,
    legend_dots,
)
from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.formats import metric_label, score
from rec_lightning.studies.wording import interval_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {"baseline": VERMILION, "train": BLUE, "fuse": GREEN, "evaluate": PURPLE}
_MARKERS = {"baseline": "s", "train": "o", "fuse": "D", "evaluate": "v"}
_ROW_HEIGHT, _MARGIN, _PANEL, _LETTER = 0.42, 1.05, 3.6, 0.085  # inches


def comparison_figure(comparison: Comparison) -> Figure:
    """Draws the rows from top to bottom in the study's order, a row without a result as such.

    Args:
        comparison: the study's outcome, at least one row with a result.
    """
    metrics, rows = comparison.study.metrics, len(comparison.entries)
    names = 0.3 + _LETTER * max(len(entry.spec.name) for entry in comparison.entries)
    width, height = names + _PANEL * len(metrics), _MARGIN + _ROW_HEIGHT * rows
    figure, panels = figure_of(width, height, len(metrics))
    figure.subplots_adjust(
        left=names / width, right=1 - 0.15 / width, top=1 - 0.4 / height, bottom=0.6 / height, wspace=0.08
    )
    for panel, metric in zip(panels, metrics, strict=True):
        _panel(panel, comparison, metric)
    _names(panels[0], comparison)
    _legend(figure, comparison, names / width)
    return figure


def _legend(figure: Figure, comparison: Comparison, left: float) -> None:
    verbs = [verb for verb in _COLOURS if any(line.spec.verb == verb for line in comparison.lines)]
    entries = [
        (
            {"train": "trained", "fuse": "fused", "evaluate": "measured otherwise"}.get(verb, verb),
            _COLOURS[verb],
            _MARKERS[verb],
        )
        for verb in verbs
    ]
    if comparison.reference is not None:
        entries.append((f"mean of {comparison.study.reference}", PALE, ""))
    legend_dots(figure, entries, left)


def _panel(panel: Axes, comparison: Comparison, metric: str) -> None:
    bare(panel)
    title = f"{metric_label(metric)}, {interval_label(comparison)}"
    panel.set_title(title, loc="left", fontsize=9.5, color=INK, pad=8)
    panel.set_xlim(*_reach(comparison, metric))
    panel.set_ylim(len(comparison.entries) - 0.5, -0.5)
    panel.set_yticks([])
    panel.locator_params(axis="x", nbins=6)
    if comparison.reference is not None:
        panel.axvline(comparison.reference.scores[metric].mean, color=PALE, linewidth=1.2, zorder=0)
    for y, entry in enumerate(comparison.entries):
        if isinstance(entry, Line):
            _dot(panel, y, entry, metric)
        else:
            panel.text(panel.get_xlim()[0], y, " no result", va="center", fontsize=8.5, color=MUTED, style="italic")


def _reach(comparison: Comparison, metric: str) -> tuple[float, float]:
    """From zero, or from the lowest end for labels, whose scores lie far from it; with room for the values."""
    ends = [line.scores[metric] for line in comparison.lines]
    low, top = min(one.low for one in ends), max(one.high for one in ends)
    if is_ranked(metric):
        return 0.0, 1.3 * top or 1.0
    room = (top - low) or 1.0
    return low - 0.1 * room, top + 0.4 * room


def _dot(panel: Axes, y: int, line: Line, metric: str) -> None:
    interval, colour = line.scores[metric], _COLOURS[line.spec.verb]
    panel.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
    panel.plot([interval.mean], [y], _MARKERS[line.spec.verb], color=colour, markersize=6.5)
    panel.annotate(
        score(interval), (interval.high, y), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK,
        bbox=behind(0.8),
    )  # fmt: skip


def _names(panel: Axes, comparison: Comparison) -> None:
    for y, entry in enumerate(comparison.entries):
        panel.annotate(
            entry.spec.name,
            (0, y),
            (-10, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9.5,
            color=INK,
            annotation_clip=False,
        )

"""Quality against cost: the primary metric over trainable parameters, time and memory, one dot a row.

Time is that of the processor, which other work on the machine disturbs least.

A row is on the front when no other is at least as good at no more cost, and better in one of the two; the front is
joined by a line and its rows are named.

Relations: beside ``figure`` and ``curves`` in the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rec_lightning.studies.aims import direction
from rec_lightning.studies.drawing import BLUE, INK, MUTED, PALE, bare, figure_of
from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.wording import cpu, peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_NAMED = 16  # rows at most whose dots all have a name


def front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Positions of the points that no other beats, by rising cost.

    Example:
        >>> front([1, 2, 3], [0.1, 0.3, 0.2])
        [0, 1]
    """
    found: list[int] = []
    for index in sorted(range(len(costs)), key=lambda n: (costs[n], -scores[n])):
        if not found or scores[index] > scores[found[-1]]:
            found.append(index)
    return found


def pareto_figure(comparison: Comparison) -> Figure | None:
    """Draws three panels side by side, whose metric does not begin at 0.

    Args:
        comparison: the study's outcome.

    Returns:
        None with fewer than two rows.
    """
    lines = comparison.lines
    if len(lines) < 2:
        return None
    figure, panels = figure_of(11.0, 3.6, 3)
    figure.subplots_adjust(left=0.06, right=0.98, top=0.88, bottom=0.16, wspace=0.12)
    costs = (
        ("trainable parameters + 1", [1.0 + line.row.manifest.trainable for line in lines], "log"),
        ("processor seconds a run", [cpu(line) for line in lines], "log"),
        ("peak memory, MB", [peak(line) for line in lines], "linear"),
    )
    for panel, (label, cost, scale) in zip(panels, costs, strict=True):
        panel.set_xscale(scale)
        _panel(panel, lines, cost, comparison.study.primary)
        panel.set_xlabel(label, fontsize=8.5, color=MUTED)
    title = f"{metric_label(comparison.study.primary)} against cost"
    panels[0].set_title(title, loc="left", fontsize=9.5, color=INK, pad=8)
    for panel in panels[1:]:
        panel.set_yticklabels([])
    return figure


def _panel(panel: Axes, lines: Sequence[Line], costs: Sequence[float], metric: str) -> None:
    bare(panel)
    scores = [line.scores[metric].mean for line in lines]
    best = front(costs, [direction(metric) * score for score in scores])
    panel.plot([costs[n] for n in best], [scores[n] for n in best], color=PALE, linewidth=1.5, zorder=0)
    for n, line in enumerate(lines):
        colour = BLUE if n in best else MUTED
        panel.plot([costs[n]], [scores[n]], "o", color=colour, markersize=6)
        if n in best or len(lines) <= _NAMED:
            right = costs[n] > sorted(costs)[len(costs) // 2]  # so that no name leaves the picture
            panel.annotate(
                line.spec.name, (costs[n], scores[n]), (-5 if right else 5, 4), textcoords="offset points",
                ha="right" if right else "left", fontsize=7, color=INK if n in best else MUTED,
            )  # fmt: skip
    panel.margins(x=0.18, y=0.15)
    panel.minorticks_off()

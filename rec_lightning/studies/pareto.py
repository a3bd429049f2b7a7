"""Quality against cost: the primary metric over trainable parameters, time and memory, one dot a row.

Each dot has its interval, since a place on the front can be chance. Time is that of the processor, which other work
on the machine disturbs least.

A row is on the front when no other is at least as good at no more cost, and better in one of the two; the front is
joined by a line and its rows are named.

Relations: beside ``figure`` and ``curves`` in the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rec_lightning.studies.aims import direction
from rec_lightning.studies.drawing import BLUE, INK, MUTED, PALE, bare, behind, figure_of
from rec_lightning.studies.entries import Comparison, Line
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.wording import cpu, interval_label, peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Box = tuple[float, float, float, float]  # left, low, right, high
_NAMED = 16  # rows at most whose dots all have a name
_LETTERS = 7.0  # points
_FEW_POWERS = 100.0
_UPS = (4.0, -10.0, 11.0, -17.0, 18.0, -24.0, 25.0, -31.0)  # points above the dot, the first that is free


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
    figure, panels = figure_of(11.0, 5.0, 3)
    figure.subplots_adjust(left=0.06, right=0.98, top=0.91, bottom=0.12, wspace=0.12)
    costs = (
        ("trainable parameters + 1", [1.0 + line.row.manifest.trainable for line in lines], "log"),
        ("processor seconds a run", [cpu(line) for line in lines], "log"),
        ("peak memory, MB", [peak(line) for line in lines], "linear"),
    )
    for panel, (label, cost, scale) in zip(panels, costs, strict=True):
        panel.set_xscale(scale)
        _panel(panel, lines, cost, comparison.study.primary)
        panel.set_xlabel(label, fontsize=8.5, color=MUTED)
    title = f"{metric_label(comparison.study.primary)} against cost, {interval_label(comparison)}"
    panels[0].set_title(title, loc="left", fontsize=9.5, color=INK, pad=8)
    for panel in panels[1:]:
        panel.set_yticklabels([])
    return figure


def _panel(panel: Axes, lines: Sequence[Line], costs: Sequence[float], metric: str) -> None:
    bare(panel)
    scores = [line.scores[metric].mean for line in lines]
    best = front(costs, [direction(metric) * score for score in scores])
    panel.plot([costs[n] for n in best], [scores[n] for n in best], color=PALE, linewidth=1.5, zorder=0)
    named = [n for n in range(len(lines)) if n in best or len(lines) <= _NAMED]
    for n, line in enumerate(lines):
        ends = (line.scores[metric].low, line.scores[metric].high)
        panel.plot([costs[n]] * 2, ends, color=MUTED, alpha=0.35, linewidth=1.2, zorder=0)
        panel.plot([costs[n]], [scores[n]], "o", color=BLUE if n in best else MUTED, markersize=6, zorder=4)
    panel.margins(x=0.18, y=0.15)
    panel.autoscale_view()
    panel.minorticks_off()
    if panel.get_xscale() == "log":
        _ticks(panel)
    scale = panel.figure.dpi / 72.0
    points = [tuple(xy / scale) for xy in panel.transData.transform(list(zip(costs, scores, strict=True)))]
    sides = (panel.bbox.x0 / scale, panel.bbox.x1 / scale)
    for n, (right, up) in places(points, {n: lines[n].spec.name for n in named}, sides).items():
        away = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        panel.annotate(
            lines[n].spec.name, (costs[n], scores[n]), (5 if right else -5, up), textcoords="offset points",
            ha="left" if right else "right", fontsize=_LETTERS, color=INK if n in best else MUTED,
            bbox=behind(0.4),
            arrowprops=away if up != _UPS[0] else None,  # a line to its dot, where others stand between
        )  # fmt: skip


def _ticks(panel: Axes) -> None:
    # within one or two powers of ten those alone say too little
    low, high = panel.get_xlim()
    if high < _FEW_POWERS * low:
        from matplotlib.ticker import LogLocator, StrMethodFormatter

        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def places(
    points: Sequence[tuple[float, float]], names: Mapping[int, str], ends: tuple[float, float]
) -> dict[int, tuple[bool, float]]:
    """Where names stand beside their dots so that none covers a dot or another, as far as that can be.

    Args:
        points: every dot, in points of 1/72 inch.
        names: of those that are named, by their position in ``points``.
        ends: of the picture, left and right.

    Returns:
        Of each name whether it is to the right of its dot, and how far up it stands.

    Example:
        >>> places([(50.0, 0.0), (51.0, 1.0)], {0: "a", 1: "b"}, (0.0, 100.0))
        {0: (True, 4.0), 1: (False, 4.0)}
    """
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    sides = [(right, up) for up in _UPS for right in (True, False)]  # the earlier the better
    found = {}
    for n, name in names.items():
        others = [*taken[:n], *taken[n + 1 :]]
        boxes = [_box(points[n], name, *side) for side in sides]
        costs = [_covered(box, others, ends) + 0.01 * step for step, box in enumerate(boxes)]
        best = costs.index(min(costs))
        found[n] = sides[best]
        taken.append(boxes[best])
    return found


def _covered(box: Box, others: Sequence[Box], ends: tuple[float, float]) -> float:
    # what it covers of others, and ten times what stands outside
    outside = max(0.0, ends[0] - box[0]) + max(0.0, box[2] - ends[1])
    return sum(_shared(box, other) for other in others) + 10 * outside


def _box(point: tuple[float, float], name: str, right: bool, up: float) -> Box:
    wide = 0.58 * _LETTERS * len(name)
    left = point[0] + 5 if right else point[0] - 5 - wide
    return left, point[1] + up, left + wide, point[1] + up + _LETTERS


def _shared(one: Box, other: Box) -> float:
    """The area of both."""
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)

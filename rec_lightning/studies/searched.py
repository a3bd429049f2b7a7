"""A search as a picture: what each try said on validation and the best so far, which keys mattered, and what it cost.

Only validation is shown; the chosen try's test result stands in the table. A hollow dot is a try that was ended early,
at its last value.

Relations: tries come from ``selection``; beside ``curves`` and ``pareto`` in the report.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from rec_lightning.studies.aims import direction
from rec_lightning.studies.drawing import BLUE, INK, MUTED, PALE, VERMILION, bare, figure_of
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.pareto import front
from rec_lightning.studies.study import RowSpec, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS = 8  # keys that are shown


def search_figure(row: RowSpec, metric: str) -> Figure | None:
    """Draws the history, and importance and cost where they are known.

    Args:
        row: with its tries.
        metric: of the search.

    Returns:
        None with fewer than two tries that have a value.
    """
    tries = [(number, trial, trial.value) for number, trial in enumerate(row.trials) if trial.value is not None]
    costs = [trial for _, trial, _ in tries if trial.cost is not None]
    if len(tries) < 2:
        return None
    figure, panels = figure_of(11.0, 3.2, 1 + bool(row.importance) + bool(costs))
    figure.subplots_adjust(left=0.06, right=0.98, top=0.86, bottom=0.16, wspace=0.35)
    _history(panels[0], tries, metric)
    if row.importance:
        _importance(panels[1], row)
    if costs:
        _cost(panels[-1], costs, metric)
    return figure


def best_so_far(values: list[float], sign: int = 1) -> list[float]:
    """Largest value up to each, or smallest where ``sign`` is -1.

    Example:
        >>> best_so_far([0.1, 0.3, 0.2])
        [0.1, 0.3, 0.3]
    """
    return list(accumulate(values, max if sign > 0 else min))


def _history(panel: Axes, tries: list[tuple[int, Trial, float]], metric: str) -> None:
    from matplotlib.ticker import MaxNLocator

    bare(panel)
    for number, trial, value in tries:
        colour = VERMILION if trial.chosen else MUTED
        inside = colour if trial.state == "complete" else "none"
        panel.plot([number], [value], "o", color=colour, markerfacecolor=inside, markersize=5)
    ended = [(number, value) for number, trial, value in tries if trial.state == "complete"]
    best = best_so_far([value for _, value in ended], direction(metric))
    panel.step([number for number, _ in ended], best, where="post", color=BLUE, linewidth=1.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_xlabel("try", fontsize=8.5, color=MUTED)
    _title(panel, f"{metric_label(metric)} on validation, best so far")


def _importance(panel: Axes, row: RowSpec) -> None:
    bare(panel)
    shown = list(row.importance.items())[:_BARS][::-1]
    panel.barh([key for key, _ in shown], [share for _, share in shown], color=BLUE, height=0.55)
    panel.set_xlim(0, 1)
    panel.tick_params(axis="y", labelsize=8, colors=INK, length=0)
    _title(panel, "importance, PED-ANOVA")


def _cost(panel: Axes, trials: list[Trial], metric: str) -> None:
    bare(panel)
    points = [(trial.cost or 0.0, trial.value or 0.0) for trial in trials]
    best = front([cost for cost, _ in points], [direction(metric) * value for _, value in points])
    panel.plot([points[n][0] for n in best], [points[n][1] for n in best], color=PALE, linewidth=1.5, zorder=0)
    for n, (trial, (cost, value)) in enumerate(zip(trials, points, strict=True)):
        colour = VERMILION if trial.chosen else BLUE if n in best else MUTED
        panel.plot([cost], [value], "o", color=colour, markersize=5)
    panel.set_xlabel("cost", fontsize=8.5, color=MUTED)
    _title(panel, f"{metric_label(metric)} on validation against cost")


def _title(panel: Axes, text: str) -> None:
    panel.set_title(text, loc="left", fontsize=9, color=INK, pad=8)

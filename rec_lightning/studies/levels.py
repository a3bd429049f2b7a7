"""The primary metric by factor: for each level the mean over all rows with it, with an interval over users.

Every row counts once, so the levels of a factor compare fairly where nothing was excluded. Small dots are the rows.

Relations: factors come from ``factors``; beside ``figure`` in the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rec_lightning.studies.aims import is_ranked
from rec_lightning.studies.contrast import user_values
from rec_lightning.studies.drawing import BLUE, INK, MUTED, bare, figure_of
from rec_lightning.studies.entries import LEVEL, Comparison, Line
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.intervals import Interval, bootstrap_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def level_means(comparison: Comparison) -> dict[str, dict[str, Interval]]:
    """Factor -> level -> mean over its rows, their seeds and the users, and the interval over users.

    Args:
        comparison: the study's outcome.
    """
    study, found = comparison.study, dict[str, dict[str, Interval]]()
    for factor, by_level in _grouped(comparison).items():
        found[factor] = {
            level: bootstrap_mean(
                np.mean([user_values(study.primary, line.runs).mean(0) for line in lines], axis=0),
                study.resamples,
                LEVEL,
                study.seed,
            )
            for level, lines in by_level.items()
        }
    return found


def levels_figure(comparison: Comparison) -> Figure | None:
    """Draws one panel a factor.

    Args:
        comparison: the study's outcome.

    Returns:
        None for a study without factors.
    """
    means = level_means(comparison)
    if not means:
        return None
    figure, panels = figure_of(0.8 + 3.2 * len(means), 3.2, len(means))
    figure.subplots_adjust(left=0.08, right=0.98, top=0.86, bottom=0.16, wspace=0.25)
    grouped, metric = _grouped(comparison), comparison.study.primary
    for panel, (factor, by_level) in zip(panels, means.items(), strict=True):
        _panel(panel, by_level, grouped[factor], metric)
        title = f"{metric_label(metric)} by {factor}, {100 * LEVEL:.0f} % over users"
        panel.set_title(title, loc="left", fontsize=9, color=INK, pad=8)
    return figure


def _grouped(comparison: Comparison) -> dict[str, dict[str, list[Line]]]:
    found: dict[str, dict[str, list[Line]]] = {}
    for line in comparison.lines:
        for factor, level in line.spec.levels.items():
            found.setdefault(factor, {}).setdefault(level, []).append(line)
    return found


def _panel(panel: Axes, means: dict[str, Interval], lines: dict[str, list[Line]], metric: str) -> None:
    bare(panel)
    for x, (level, interval) in enumerate(means.items()):
        rows = [line.scores[metric].mean for line in lines[level]]
        panel.plot([x - 0.15] * len(rows), rows, ".", color=MUTED, markersize=5)
        panel.plot([x, x], [interval.low, interval.high], color=BLUE, linewidth=2)
        panel.plot([x], [interval.mean], "o", color=BLUE, markersize=6.5)
    panel.set_xticks(range(len(means)), list(means), fontsize=8.5, color=INK)
    panel.set_xlim(-0.6, len(means) - 0.4)
    if is_ranked(metric):
        panel.set_ylim(bottom=0)

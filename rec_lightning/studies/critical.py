"""Critical-difference diagram: rows at their average rank over users, joined where they cannot be told apart.

Demšar, *Journal of Machine Learning Research* 7, 2006 (https://jmlr.org/papers/v7/demsar06a.html). Differs from the
paper: users take the place of data sets, since a study has one; and the bars come from the study's own paired tests
with Holm over all pairs rather than from Nemenyi's, which depends on which other rows are compared (Benavoli, Corani
and Mangili, JMLR 17, 2016).

Relations: ``pairs`` finds the groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.aims import is_ranked
from rec_lightning.studies.drawing import BLUE, INK, PALE, bare, figure_of
from rec_lightning.studies.entries import Comparison
from rec_lightning.studies.formats import metric_label
from rec_lightning.studies.pairs import groups

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 30  # rows that a person can read


def average_ranks(comparison: Comparison) -> NDArray[np.float64]:
    """(rows,) rank of each row among all, 1 is best, averaged over users; ties share their ranks.

    Args:
        comparison: the study's outcome.
    """
    from scipy import stats  # takes a second

    metric = comparison.study.primary
    # of a user's targets alone, so that users of many and of few targets are ranked alike
    shares = [np.array([run.row.result.flips(metric) for run in line.runs]) for line in comparison.lines]
    values = np.stack([share.mean(0) for share in shares])  # (rows, U)
    ranks: NDArray[np.float64] = stats.rankdata(-values, axis=0).mean(1)
    return ranks


def critical_figure(comparison: Comparison) -> Figure | None:
    """Draws the rows on one axis, the best at the left.

    Args:
        comparison: the study's outcome.

    Returns:
        None with fewer than 3 rows or more than can be read, and where no user has a value alone.
    """
    if not 3 <= len(comparison.lines) <= MOST or not is_ranked(comparison.study.primary):
        return None
    ranks = average_ranks(comparison)
    order = [int(n) for n in np.argsort(ranks, kind="stable")]
    lines = [comparison.lines[n] for n in order]
    bars = groups(comparison, lines, comparison.study.primary)
    half = (len(lines) + 1) // 2
    height = 1.1 + 0.14 * len(bars) + 0.24 * half
    figure, (panel,) = figure_of(9.0, height, 1)
    figure.subplots_adjust(left=0.24, right=0.76, top=1 - 0.45 / height, bottom=0.02)
    bare(panel)
    panel.spines["bottom"].set_visible(False)
    panel.xaxis.tick_top()
    spread = max(0.05, float(np.ptp(ranks)))
    panel.set_xlim(ranks.min() - 0.06 * spread, ranks.max() + 0.06 * spread)
    panel.set_yticks([])
    panel.axhline(0, color=PALE)
    for number, (first, last) in enumerate(bars):
        y = -0.3 - 0.3 * number
        panel.plot([ranks[order[first]], ranks[order[last]]], [y, y], color=BLUE, linewidth=4, solid_capstyle="round")
    lowest = -0.3 - 0.3 * len(bars)
    for position, index in enumerate(order):
        left = position < half
        y = lowest - 0.5 * ((position if left else len(order) - 1 - position) + 1)
        edge, align = (panel.get_xlim()[0], "right") if left else (panel.get_xlim()[1], "left")
        panel.plot([ranks[index], ranks[index], edge], [0, y, y], color=INK, linewidth=0.9)
        text = f" {comparison.lines[index].spec.name} ({ranks[index]:.2f}) "
        panel.text(edge, y, text, ha=align, va="center", fontsize=8.5, color=INK)
    panel.set_ylim(lowest - 0.5 * half - 0.4, 0.1)
    title = f"average rank over users by {metric_label(comparison.study.primary)}; a bar joins rows not told apart"
    figure.text(0.02, 1 - 0.18 / height, title, fontsize=9, color=INK)
    return figure

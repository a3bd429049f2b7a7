"""The reliability picture of rows that predict a probability: how often the label is 1 where a row says so.

Bins of equal width, as those of the expected calibration error; one with fewer than 50 examples is not drawn. Of a row
with several seeds the first.

Relations: beside ``figure`` in the report; Naeini, Cooper and Hauskrecht, AAAI 2015, as in the room ``metrics``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.curves import COLOURS, STYLES
from rec_lightning.studies.drawing import INK, MUTED, PALE, bare, figure_of
from rec_lightning.studies.entries import Comparison
from rec_lightning.studies.scored import Scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS, LEAST = 15, 50


def reliability_figure(comparison: Comparison) -> Figure | None:
    """Draws one line a row beside the diagonal.

    Args:
        comparison: the study's outcome.

    Returns:
        None for a study without probabilities.
    """
    found = {line.spec.name: line.row.result for line in comparison.lines}
    rows = {name: scores for name, scores in found.items() if isinstance(scores, Scores) and scores.binary}
    if not rows:
        return None
    figure, (panel,) = figure_of(6.4, 4.0, 1)
    figure.subplots_adjust(left=0.1, right=0.68, top=0.9, bottom=0.13)
    bare(panel)
    panel.plot([0, 1], [0, 1], color=PALE, linewidth=1)
    for number, (name, scores) in enumerate(rows.items()):
        mean, share = bins(scores)
        style = STYLES[number // len(COLOURS) % len(STYLES)]
        panel.plot(mean, share, style, marker="o", markersize=3, color=COLOURS[number % len(COLOURS)], label=name)
    panel.set_title("share of label 1 by predicted probability", loc="left", fontsize=9.5, color=INK, pad=8)
    panel.set_xlabel("mean prediction of a bin", fontsize=8.5, color=MUTED)
    panel.set(xlim=(0, 1), ylim=(0, 1))
    panel.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1.0), labelcolor=INK)
    return figure


def bins(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean prediction and share of label 1 of each bin with at least ``LEAST`` examples, by rising prediction."""
    place = (scores.value * BINS).astype(np.int64).clip(0, BINS - 1)
    size, value, label = (np.bincount(place, weight, BINS) for weight in (None, scores.value, scores.label))
    some = size >= LEAST
    return value[some] / size[some], label[some] / size[some]

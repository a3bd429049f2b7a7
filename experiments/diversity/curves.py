"""Draws the study's rows as curves: NDCG@10 against each of four virtues; writes diversity.png.

python experiments/diversity/curves.py    # after rec-lightning study diversity publish=true
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
AXES = {
    "diversity@10": "diversity: 1 - Jaccard of genres",
    "calibration@10": "KL to the user's genres (less is nearer)",
    "coverage@10": "share of the catalogue shown to anybody",
    "long_tail@10": "share of places outside the 20 % most popular",
}


def draw(rows: list[dict[str, Any]], place: Path) -> None:
    """A line a re-ranker, from the model's own lists on."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained", sharey=True)
    plain, curves = rows[0], groupby(rows[1:], key=lambda row: row["levels"]["method"])
    for number, (method, points) in enumerate(curves):
        line = [plain, *points]
        style = {"marker": "os^vD<>pPX*"[number % 11], "markersize": 4, "linewidth": 1, "color": f"C{number % 10}"}
        for axis, key in zip(axes.flat, AXES, strict=True):
            values = [point["scores"]["ndcg@10"]["mean"] for point in line]
            axis.plot([point["also"][key] for point in line], values, label=method, **style)
    for axis, (key, words) in zip(axes.flat, AXES.items(), strict=True):
        axis.plot(plain["also"][key], plain["scores"]["ndcg@10"]["mean"], "k*", markersize=13, label=plain["name"])
        axis.set_xlabel(words)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("NDCG@10")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False, fontsize=9
    )
    figure.savefig(place, dpi=110)


if __name__ == "__main__":
    draw(json.loads((HERE / "results.json").read_text())["rows"], HERE / "diversity.png")

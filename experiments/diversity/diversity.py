"""Re-ranks the lists of one SASRec with every re-ranker at many weights; writes results.json, picture and table.

python experiments/diversity/diversity.py FOLDER    # FOLDER keeps the run; a complete one is not trained again
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.stats import t as student

from rec_lightning.cli import main
from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.reranked import rerank
from rec_lightning.runtime.asked import read_request
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.evaluation import Evaluation
from rec_lightning.runtime.manifest import code, hardware
from rec_lightning.runtime.measures import build_metrics
from rec_lightning.runtime.rundir import RunDir

HERE, K = Path(__file__).parent, 10
TRAIN = ["items=id", "tuning=full", "trainer.max_epochs=20", "compare=[]", "logger=[]"]
WEIGHTS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
# name -> its choice, its other options and the one that makes the curve
CURVES: dict[str, tuple[str, list[str], str, list[Any]]] = {
    "MMR, model": ("mmr", [], "weight", WEIGHTS),
    "MMR, genres": ("mmr", ["rerank.by=genres"], "weight", WEIGHTS),
    "DPP, model": ("dpp", [], "weight", WEIGHTS),
    "DPP, genres": ("dpp", ["rerank.by=genres"], "weight", WEIGHTS),
    "xQuAD": ("xquad", [], "weight", WEIGHTS),
    "Calibrated": ("calibrated", [], "weight", WEIGHTS),
    "Fair, genres equal": ("fair", ["rerank.by=genres", "rerank.owed=equal"], "weight", WEIGHTS),
    "Bandit, Thompson": ("bandit", [], "weight", WEIGHTS),
    "Bandit, UCB": ("bandit", ["rerank.policy=ucb"], "weight", WEIGHTS),
    "Bandit, random genre": (
        "bandit", ["rerank.policy=epsilon_greedy", "rerank.weight=0"], "explore", [0.05, 0.1, 0.2, 0.3, 0.5]
    ),
    "At most n a genre": ("constraints", ["rerank.by=genres"], "most", [5, 4, 3, 2, 1]),
}  # fmt: skip
AXES = {
    "diversity@10": "diversity: 1 - Jaccard of genres",
    "calibration@10": "KL to the user's genres (less is nearer)",
    "coverage@10": "share of the catalogue shown to anybody",
    "long_tail@10": "share of places outside the 20 % most popular",
}


def candidates(run: Path) -> tuple[Catalog, list[tuple[Ranking, Batch]], torch.Tensor]:
    """The catalogue, 100 candidates of every test user by batch, and the model's item vectors."""
    options = ["ranking.k=100", "metrics=ranking", "top_k=[10]", "name=candidates"]
    request = read_request([f"run={run}", *options])
    evaluation = Evaluation(request)
    with RunDir(request.config.run_dir, request.config) as place:
        evaluation.read(place)
        evaluation.measure()
    task = evaluation.scorer.eval()
    with torch.no_grad():
        vectors = task.head.keys(task.items.table())
    pairs = list(zip(task.rankings, evaluation.data.test_dataloader(), strict=True))
    return evaluation.data.catalog, pairs, vectors


def measured(lists: list[Ranking], catalog: Catalog, metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics of all lists, and each user's NDCG."""
    ranking = Ranking.cat(lists)
    found: dict[str, Any] = {}
    for metric in metrics.values():
        metric.reset()
        metric.update(ranking)
        found |= {key: float(value) for key, value in metric.compute().items()}
    rank = ranking.rank.numpy()
    return found | {"gains": np.where(rank <= K, 1 / np.log2(rank + 1.0), 0.0)}


def curves(run: Path) -> dict[str, Any]:
    """Every point of every curve: metrics and the paired difference of NDCG to the model's own lists."""
    catalog, pairs, vectors = candidates(run)
    group = compose("train", ["metrics=all", f"top_k=[{K}]"]).metrics
    named = compose("train", ["metrics=columns", f"top_k=[{K}]"]).metrics
    keep = {name: group[name] for name in ("hit_rate", "ndcg", "coverage", "long_tail", "novelty")}
    keep |= {name: named[name] for name in ("diversity", "calibration")}
    metrics = build_metrics(OmegaConf.create(keep), catalog)
    own = [Ranking(r.users, r.items[:, :20], r.scores[:, :20], r.target, r.rank) for r, _ in pairs]
    plain = measured(own, catalog, metrics)
    base, found = plain.pop("gains"), {"The model's lists": [plain]}
    for name, (choice, options, knob, values) in CURVES.items():
        points = []
        for value in values:
            config = compose("train", [f"rerank={choice}", *options, f"rerank.{knob}={value}"])
            part, start = instantiate(config.rerank)(catalog=catalog), time.process_time()
            lists = [rerank(ranking, batch, vectors, part, 20) for ranking, batch in pairs]
            point = {knob: value, "cpu_seconds": round(time.process_time() - start, 3)}
            told = measured(lists, catalog, metrics)
            change = told.pop("gains") - base
            reach = student.ppf(0.975, len(change) - 1) * change.std(ddof=1) / len(change) ** 0.5
            point["minus_model"] = [float(x) for x in (change.mean(), change.mean() - reach, change.mean() + reach)]
            points.append(point | told)
        found[name] = points
    return found


def draw(found: dict[str, Any], place: Path) -> None:
    """NDCG@10 against each of four virtues, a line a re-ranker."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained", sharey=True)
    plain = found["The model's lists"][0]
    for axis, (key, words) in zip(axes.flat, AXES.items(), strict=True):
        for number, name in enumerate(CURVES):
            points = [plain, *found[name]]
            style = {"marker": "os^vD<>pPX*"[number], "markersize": 4, "linewidth": 1, "color": f"C{number % 10}"}
            axis.plot([p[key] for p in points], [p["ndcg@10"] for p in points], label=name, **style)
        axis.plot(plain[key], plain["ndcg@10"], "k*", markersize=13, label="the model's lists")
        axis.set_xlabel(words)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("NDCG@10")
    axes[0, 1].legend(fontsize=8, frameon=False)
    figure.savefig(place, dpi=110)


def table(found: dict[str, Any]) -> str:
    """Markdown: the first, the middle and the last point of each curve."""
    head = "| | setting | NDCG@10 | minus the model's | diversity | KL | coverage | long tail |"
    lines = [head, "|---|---|---|---|---|---|---|---|", _line("The model's lists", "", found["The model's lists"][0])]
    for name, points in found.items():
        if name in CURVES:
            knob = CURVES[name][2]
            lines += [_line(name, f"{knob} {p[knob]}", p) for p in (points[0], points[len(points) // 2], points[-1])]
    return "\n".join(lines)


def _line(name: str, setting: str, point: dict[str, Any]) -> str:
    change = point.get("minus_model")
    told = "" if change is None else f"{change[0]:+.4f} [{change[1]:+.4f}, {change[2]:+.4f}]"
    cells = [f"{point[key]:.3f}" for key in AXES]
    return f"| {name} | {setting} | {point['ndcg@10']:.4f} | {told} | {' | '.join(cells)} |"


if __name__ == "__main__":
    run = Path(sys.argv[1]) / "sasrec"
    if not (run / "metrics.json").exists() and (failed := main(["train", *TRAIN, f"run_dir={run}"])):
        sys.exit(failed)
    result = curves(run)
    about = {"date": datetime.now(UTC).date().isoformat(), "code": code(), "hardware": hardware()}
    (HERE / "results.json").write_text(json.dumps(about | {"curves": result}, indent=1) + "\n")
    draw(result, HERE / "diversity.png")
    readme = HERE / "README.md"
    text, _, rest = readme.read_text().partition("<!-- tables -->\n")
    readme.write_text(
        f"{text}<!-- tables -->\n{table(result)}\n<!-- end -->\n{rest.partition('<!-- end -->' + chr(10))[2]}"
    )

"""Measures the study's runs by three other protocols; writes flips.json, the picture and the README's tables.

python experiments/flip_table/flip_table.py FOLDER    # run_dir of the study, complete
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import kendalltau, ttest_rel

from rec_lightning.cli import main
from rec_lightning.runtime.manifest import code, hardware
from rec_lightning.studies.plan import run_folder
from rec_lightning.studies.reading import load_study

HERE = Path(__file__).parent
# name -> options of evaluate; the first is how the runs themselves are measured
PROTOCOLS = {
    "full": [],
    "full, seen kept": ["ranking.exclude_seen=false"],
    "100 uniform": ["ranking=sampled"],
    "100 popular": ["ranking=sampled", "ranking.by=popular"],
}
Ranks = dict[str, dict[str, NDArray[np.int64]]]


def measure(folder: Path) -> Ranks:
    """Protocol -> model -> rank of each test user, users in one order; evaluates what is not there."""
    found: Ranks = {protocol: {} for protocol in PROTOCOLS}
    for row, seed in load_study(HERE / "study.yaml").runs:
        run = run_folder(folder, row, seed)
        for protocol, differing in PROTOCOLS.items():
            place = run
            if differing:
                name = protocol.replace(", ", "-").replace(" ", "-")
                place = run / "evaluations" / name
                _call(["evaluate", f"run={run}", *differing, f"name={name}"])
            table = pl.read_parquet(place / "rankings.parquet", columns=["user", "rank"]).sort("user")
            found[protocol][row.name] = table["rank"].to_numpy()
    return found


def _call(words: list[str]) -> None:
    if code := main(words):
        sys.exit(code)


def gains(ranks: NDArray[np.int64], k: int = 10) -> NDArray[np.float64]:
    """NDCG@k of each user."""
    return np.where(ranks <= k, 1 / np.log2(ranks + 1.0), 0.0)


def compare(ranks: Ranks) -> dict[str, Any]:
    """NDCG@10 and HR@10 of each model and protocol; for each two protocols Kendall's tau and the pairs that flip."""
    values = {p: {m: gains(r) for m, r in models.items()} for p, models in ranks.items()}
    ndcg = {p: {m: float(v.mean()) for m, v in models.items()} for p, models in values.items()}
    hr = {p: {m: float((r <= 10).mean()) for m, r in models.items()} for p, models in ranks.items()}
    pairs = {}
    for a, b in combinations(PROTOCOLS, 2):
        flips = [_flip(values[a], values[b], x, y) for x, y in combinations(ndcg["full"], 2)]
        pairs[f"{a} / {b}"] = {
            "kendall_tau": float(kendalltau(list(ndcg[a].values()), list(ndcg[b].values())).statistic),
            "pairs": len(flips),
            "flips": sum(flip > 0 for flip in flips),
            "flips_significant_in_both": sum(flip > 1 for flip in flips),
        }
    return {"ndcg@10": ndcg, "hr@10": hr, "protocols": pairs}


def _flip(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]], x: str, y: str) -> int:
    # 0 the same order, 1 another order, 2 another order, and both protocols call theirs significant at 5 %
    tests = [ttest_rel(values[x], values[y]) for values in (first, second)]
    if np.sign(tests[0].statistic) == np.sign(tests[1].statistic):
        return 0
    return 1 + all(test.pvalue < 0.05 for test in tests)


def draw(ndcg: dict[str, dict[str, float]], place: Path) -> None:
    """A line a model over the protocols, by its place among the models."""
    order = {p: sorted(v, key=lambda m: -v[m]) for p, v in ndcg.items()}
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    for number, model in enumerate(order["full"]):
        places = [order[p].index(model) + 1 for p in PROTOCOLS]
        axes.plot(places, marker="o", color=f"C{number}")
        axes.annotate(model, (0, places[0]), xytext=(-8, 0), textcoords="offset points", ha="right", va="center")
        axes.annotate(model, (len(places) - 1, places[-1]), xytext=(8, 0), textcoords="offset points", va="center")
    axes.set_xticks(range(len(PROTOCOLS)), list(PROTOCOLS))
    axes.set_yticks(range(1, len(order["full"]) + 1))
    axes.invert_yaxis()
    axes.set_xlim(-1.1, len(PROTOCOLS) - 0.1)
    axes.set_ylabel("place by NDCG@10")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(place, dpi=110)


def tables(found: dict[str, Any]) -> str:
    """Markdown of both tables."""
    ndcg = found["ndcg@10"]
    order = {p: sorted(v, key=lambda m: -v[m]) for p, v in ndcg.items()}
    lines = [f"| NDCG@10 (place) | {' | '.join(PROTOCOLS)} |", f"|---|{'---|' * len(PROTOCOLS)}"]
    for model in order["full"]:
        cells = [f"{ndcg[p][model]:.3f} ({order[p].index(model) + 1})" for p in PROTOCOLS]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    lines += [
        "",
        "| protocols | Kendall's tau | pairs of models that flip | flips significant in both |",
        "|---|---|---|---|",
    ]
    for name, row in found["protocols"].items():
        flips = f"{row['flips']} of {row['pairs']} | {row['flips_significant_in_both']}"
        lines.append(f"| {name} | {row['kendall_tau']:+.2f} | {flips} |")
    return "\n".join(lines)


if __name__ == "__main__":
    result = compare(measure(Path(sys.argv[1])))
    about = {"date": datetime.now(UTC).date().isoformat(), "code": code(), "hardware": hardware()}
    (HERE / "flips.json").write_text(json.dumps(about | result, indent=2) + "\n")
    draw(result["ndcg@10"], HERE / "flip_table.png")
    readme = HERE / "README.md"
    head, _, rest = readme.read_text().partition("<!-- tables -->\n")
    tail = rest.partition("<!-- end -->\n")[2]
    readme.write_text(f"{head}<!-- tables -->\n{tables(result)}\n<!-- end -->\n{tail}")

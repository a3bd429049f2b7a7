"""Every metric from the same scores, beside RecBole's evaluator: users a CPU-second.

    REC_PEER_VENVS=<folder with venv-recbole> python tests/benchmarks/bench_metrics.py [repeats]

4,096 users, catalogues of the sizes of MovieLens-100K and Amazon Beauty, 60 seen items a user, cut-offs 1, 5, 10 and
20; batches of 256, one thread, CPU-seconds, programs in turn, medians. The clock runs from a batch's scores, seen
items still in them, to the last number. RecBole computes its twelve metrics of rankings (with GAUC, which sorts the
catalogue), or eleven without it; ours are those of the same names, and then all of ``metrics=all`` with diversity,
calibration, provider exposure and the gap between groups of users. Both must find the same values where both have them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

USERS, SEEN, BATCH, CUTS = 4096, 60, 256, [1, 5, 10, 20]
ITEMS = (1_682, 12_101)  # MovieLens-100K, Amazon Beauty
# RecBole's name -> ours
SAME = {
    "hit": "hr", "ndcg": "ndcg", "mrr": "mrr", "map": "map", "recall": "recall", "precision": "precision",
    "itemcoverage": "coverage", "averagepopularity": "arp", "giniindex": "gini",
}  # fmt: skip
NAMED = {
    "hit_rate", "ndcg", "mrr", "average_precision", "recall", "precision", "auc", "coverage", "popularity_bias",
    "entropy", "gini", "long_tail",
}  # fmt: skip


def problem(items: int, file: Path) -> None:
    generator = np.random.default_rng(0)
    queries, keys = (generator.normal(size=(n, 64)).astype(np.float32) for n in (USERS, items))
    target = generator.integers(0, items, USERS)
    queries += 0.3 * keys[target]  # so that there are hits
    seen = np.stack([generator.choice(items - 1, SEEN, replace=False) for _ in range(USERS)])
    seen += seen >= target[:, None]  # never the target
    popularity = np.bincount(seen.ravel(), minlength=items)
    np.savez(file, queries=queries, keys=keys, target=target, seen=seen, popularity=popularity)


def catalogue(popularity: Any, seen: Any) -> Any:
    import polars as pl

    from rec_lightning.contracts import Catalog, Sequences

    generator, items = np.random.default_rng(1), len(popularity)
    genres = [[f"g{g}" for g in generator.permutation(18)[: generator.integers(1, 4)]] for _ in range(items)]
    table = {"item": np.arange(items), "genres": genres, "year": generator.integers(1930, 1999, items)}
    users = pl.DataFrame({"user": np.arange(USERS), "gender": generator.choice(["F", "M"], USERS)})
    flat, offsets = seen.ravel() + 1, np.arange(0, USERS * SEEN + 1, SEEN)
    past = Sequences(flat, offsets, np.zeros(len(flat), np.int8), users["user"])
    return Catalog(pl.DataFrame(table), np.append(0, popularity), users, sequences=past)


def ours(arrays: dict[str, Any], every: bool) -> tuple[float, dict[str, float]]:
    import torch

    from rec_lightning.contracts import Batch
    from rec_lightning.ranking.topk import TopK
    from rec_lightning.runtime.composition import compose
    from rec_lightning.runtime.measures import build_metrics

    torch.set_num_threads(1)
    groups = [compose("baseline", [f"metrics={name}"]).metrics for name in ("all", "columns")]
    catalog = catalogue(arrays["popularity"], arrays["seen"])
    known = build_metrics(groups[0], catalog) | (build_metrics(groups[1], catalog) if every else {})
    metrics = [metric for name, metric in known.items() if every or name in NAMED]
    table = torch.from_numpy(np.concatenate([np.zeros((1, 64), np.float32), arrays["keys"]]))
    ranking, spent = TopK(k=max(CUTS)), 0.0
    for metric in metrics:
        metric.reset()
    for first in range(0, USERS, BATCH):
        rows = slice(first, first + BATCH)
        scores = torch.from_numpy(arrays["queries"][rows]) @ table.T
        aim, gone = torch.from_numpy(arrays["target"][rows]) + 1, torch.from_numpy(arrays["seen"][rows]) + 1
        offsets, one = torch.arange(0, gone.numel() + 1, SEEN), torch.ones(len(aim), dtype=torch.long)
        start = time.process_time()
        batch = Batch(torch.arange(first, first + BATCH), aim[:, None], one, aim, gone.flatten(), offsets)
        found = ranking.from_scores(batch, scores)
        for metric in metrics:
            metric.update(found)
        spent += time.process_time() - start
    start = time.process_time()
    values = {key: float(value) for metric in metrics for key, value in metric.compute().items()}
    return spent + time.process_time() - start, values


def recbole(arrays: dict[str, Any], sorts: bool = True) -> tuple[float, dict[str, float]]:
    for name in ("ray", "ray.tune"):  # imported there and not used here
        sys.modules[name] = types.ModuleType(name)
    sys.modules["ray"].tune = sys.modules["ray.tune"]  # type: ignore[attr-defined]
    for name, kind in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "float": float}.items():
        setattr(np, name, kind)  # gone from numpy 2, still asked for there
    from collections import Counter

    import torch
    from recbole.evaluator import Collector, Evaluator

    torch.set_num_threads(1)
    names = [
        "Hit", "NDCG", "MRR", "MAP", "Recall", "Precision", "GAUC", "ItemCoverage", "AveragePopularity",
        "ShannonEntropy", "GiniIndex", "TailPercentage",
    ]  # fmt: skip
    config = {
        "metrics": [n for n in names if sorts or n != "GAUC"], "topk": CUTS, "device": "cpu",
        "metric_decimal_place": 10, "LABEL_FIELD": "label", "eval_args": {"mode": {"test": "full"}}, "tail_ratio": 0.8,
    }  # fmt: skip
    collector, table, spent = Collector(config), torch.from_numpy(arrays["keys"]), 0.0
    # asked of everything that is kept, and neither a number nor a counter has it
    same = {"cpu": lambda self: self}
    whole, counter = type("Whole", (int,), same), type("Known", (Counter,), same)
    collector.data_struct.set("data.num_items", whole(len(table)))  # without a padding, which it counts otherwise
    collector.data_struct.set("data.count_items", counter(dict(enumerate(arrays["popularity"].tolist()))))
    for first in range(0, USERS, BATCH):
        rows = slice(first, first + BATCH)
        scores = torch.from_numpy(arrays["queries"][rows]) @ table.T
        start = time.process_time()
        line = torch.arange(BATCH)
        scores[line.repeat_interleave(SEEN), torch.from_numpy(arrays["seen"][rows]).flatten()] = -np.inf
        collector.eval_batch_collect(scores, None, line, torch.from_numpy(arrays["target"][rows]))
        spent += time.process_time() - start
    start = time.process_time()
    found = Evaluator(config).evaluate(collector.get_data_struct())
    spent += time.process_time() - start
    keys = (key.partition("@") for key in found)
    renamed = {f"{SAME[a]}@{k}": float(found[f"{a}@{k}"]) for a, _, k in keys if a in SAME}
    return spent, renamed


def measure(name: str, file: str) -> None:
    arrays = dict(np.load(file))
    ways = {"recbole": recbole, "recbole, lists": lambda a: recbole(a, sorts=False)}
    part = (ways | {"ours": lambda a: ours(a, False), "ours, all": lambda a: ours(a, True)})[name]
    part(arrays)  # imports and first calls are not counted
    seconds, values = part(arrays)
    print("JSON " + json.dumps({"users": USERS / seconds, "values": values}))


def main(repeats: int) -> None:
    venvs = os.environ.get("REC_PEER_VENVS")
    programs = {"ours": sys.executable, "ours, all": sys.executable}
    if venvs is None:
        print("RecBole is left out: REC_PEER_VENVS not given")
    else:
        programs |= dict.fromkeys(("recbole", "recbole, lists"), f"{venvs}/venv-recbole/bin/python")
    with tempfile.TemporaryDirectory() as folder:
        for items in ITEMS:
            file = Path(folder) / f"{items}.npz"
            problem(items, file)
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
            for _ in range(repeats):
                for name, python in programs.items():
                    runs[name].append(_run(python, name, file))
            pace = {name: median(run["users"] for run in several) for name, several in runs.items()}
            for name, users in pace.items():
                count = len(runs[name][0]["values"])
                times = f"{users / pace['recbole']:6.1f} x RecBole" if "recbole" in pace else ""
                print(f"{items:7,} items  {name:15}{users:10,.0f} users / CPU s {times}  ({count} numbers)")
            for key, value in runs.get("recbole", [{"values": {}}])[0]["values"].items():
                assert abs(runs["ours"][0]["values"][key] - value) < 1e-4 * max(1, abs(value)), key


def _run(python: str, name: str, file: Path) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [python, __file__, name, str(file)]
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    lines = [line[5:] for line in done.stdout.splitlines() if line.startswith("JSON ")]
    if not lines:
        raise SystemExit(f"{name} left no figures:\n{done.stderr[-1500:]}")
    out: dict[str, Any] = json.loads(lines[-1])
    return out


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

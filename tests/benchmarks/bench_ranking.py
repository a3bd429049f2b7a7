"""From vectors to metrics: scoring, leaving out seen items, ranking and NDCG/HR alone, beside three peers' own parts.

    REC_PEER_VENVS=<folder with venv-replay ...> python tests/benchmarks/bench_ranking.py [repeats]

4,096 users, width 64, catalogues of the sizes of MovieLens-100K and Amazon Beauty, 60 seen items a user; batches of
256, one thread, CPU-seconds, programs in turn, medians. Every program gets the same vectors and must find the same
HR@10; each one uses its own classes for the part (RePlay: seen filter and metrics builder; RecBole: collector and
evaluator; RecTools: torch ranker and calc_metrics). Ours alone also gives each target's exact rank: with a list, as
the test does, and without, as validation does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

USERS, SEEN, BATCH, K = 4096, 60, 256, 10
ITEMS = (1_682, 12_101)  # MovieLens-100K, Amazon Beauty
PEERS = ("replay", "recbole", "rectools")


def problem(items: int, file: Path) -> None:
    generator = np.random.default_rng(0)
    queries, keys = (generator.normal(size=(n, 64)).astype(np.float32) for n in (USERS, items))
    target = generator.integers(0, items, USERS)
    queries += keys[target]  # so that there are hits
    seen = np.stack([generator.choice(items - 1, SEEN, replace=False) for _ in range(USERS)])
    seen += seen >= target[:, None]  # never the target
    np.savez(file, queries=queries, keys=keys, target=target, seen=seen)


def ours(queries: Any, keys: Any, target: Any, seen: Any) -> float:
    return _ours(queries, keys, target, seen, lists=True)


def ranks(queries: Any, keys: Any, target: Any, seen: Any) -> float:
    return _ours(queries, keys, target, seen, lists=False)


def _ours(queries: Any, keys: Any, target: Any, seen: Any, lists: bool) -> float:
    import torch

    from rec_lightning.contracts import Batch
    from rec_lightning.metrics.hit_rate import HitRate
    from rec_lightning.metrics.ndcg import NDCG
    from rec_lightning.ranking.topk import TopK

    table = torch.cat([torch.zeros(1, 64), torch.from_numpy(keys)])
    ranking = TopK(k=K) if lists else TopK(k=K).without_lists()
    metrics = [HitRate([K]), NDCG([K])]
    for first in range(0, USERS, BATCH):
        rows = slice(first, first + BATCH)
        aim, gone = torch.from_numpy(target[rows]) + 1, torch.from_numpy(seen[rows]) + 1
        offsets, one = torch.arange(0, gone.numel() + 1, SEEN), torch.ones(len(aim), dtype=torch.long)
        batch = Batch(torch.arange(first, first + BATCH), aim[:, None], one, aim, gone.flatten(), offsets)
        found = ranking(batch, torch.from_numpy(queries[rows]), table)
        for metric in metrics:
            metric.update(found)
    return float(metrics[0].compute()[f"hr@{K}"])


def replay(queries: Any, keys: Any, target: Any, seen: Any) -> float:
    import torch
    from replay.metrics.torch_metrics_builder import TorchMetricsBuilder
    from replay.nn.lightning.postprocessor import SeenItemsFilter

    keep, metrics = SeenItemsFilter(len(keys)), TorchMetricsBuilder(["recall", "ndcg"], [K])
    table = torch.from_numpy(keys)
    for first in range(0, USERS, BATCH):
        rows = slice(first, first + BATCH)
        logits = torch.from_numpy(queries[rows]) @ table.T
        logits = keep.on_validation({"seen_ids": torch.from_numpy(seen[rows])}, logits)
        metrics.add_prediction(logits.topk(K, 1).indices, torch.from_numpy(target[rows, None]))
    return float(metrics.get_metrics()[f"recall@{K}"])


def recbole(queries: Any, keys: Any, target: Any, seen: Any) -> float:
    import types

    for name in ("ray", "ray.tune"):  # imported there and not used here
        sys.modules[name] = types.ModuleType(name)
    sys.modules["ray"].tune = sys.modules["ray.tune"]  # type: ignore[attr-defined]
    for name, kind in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_, "float": float}.items():
        setattr(np, name, kind)  # gone from numpy 2, still asked for there
    import torch
    from recbole.evaluator import Collector, Evaluator

    config = {
        "metrics": ["Hit", "NDCG"], "topk": [K], "device": "cpu", "metric_decimal_place": 6, "LABEL_FIELD": "label",
        "eval_args": {"mode": {"test": "full"}},
    }  # fmt: skip
    collector, table = Collector(config), torch.from_numpy(keys)
    for first in range(0, USERS, BATCH):
        rows = slice(first, first + BATCH)
        scores, line = torch.from_numpy(queries[rows]) @ table.T, torch.arange(BATCH)
        scores[line.repeat_interleave(SEEN), torch.from_numpy(seen[rows]).flatten()] = -np.inf
        collector.eval_batch_collect(scores, None, line, torch.from_numpy(target[rows]))
    return float(Evaluator(config).evaluate(collector.get_data_struct())[f"hit@{K}"])


def rectools(queries: Any, keys: Any, target: Any, seen: Any) -> float:
    import pandas as pd
    from rectools.metrics import NDCG, HitRate, calc_metrics
    from rectools.models.rank import Distance, TorchRanker
    from scipy.sparse import csr_matrix

    pairs = (np.ones(seen.size, np.float32), seen.ravel(), np.arange(0, seen.size + 1, SEEN))
    ranker = TorchRanker(Distance.DOT, "cpu", queries, keys, batch_size=BATCH)
    users, items, scores = ranker.rank(np.arange(USERS), K, csr_matrix(pairs, (USERS, len(keys))))
    table = pd.DataFrame({"user_id": users, "item_id": items, "score": scores})
    table["rank"] = table.groupby("user_id").cumcount() + 1
    truth = pd.DataFrame({"user_id": np.arange(USERS), "item_id": target})
    return float(calc_metrics({"hr": HitRate(K), "ndcg": NDCG(K)}, table, truth)["hr"])


def measure(name: str, file: str) -> None:
    arrays = dict(np.load(file))
    part = globals()[name]
    part(**arrays)  # imports and first calls are not counted
    start = time.process_time()
    rate = part(**arrays)
    print("JSON " + json.dumps({"users": USERS / (time.process_time() - start), "hr": rate}))


def main(repeats: int) -> None:
    venvs = os.environ.get("REC_PEER_VENVS")
    if venvs is None:
        print("peers are left out: REC_PEER_VENVS not given")
    programs = {"ranks": sys.executable, "ours": sys.executable}
    programs |= {} if venvs is None else {name: f"{venvs}/venv-{name}/bin/python" for name in PEERS}
    with tempfile.TemporaryDirectory() as folder:
        for items in ITEMS:
            file = Path(folder) / f"{items}.npz"
            problem(items, file)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
            for _ in range(repeats):
                for name, python in programs.items():
                    runs[name].append(_run(python, name, file))
            assert len({round(run["hr"], 5) for several in runs.values() for run in several}) == 1, runs
            pace = {name: median(run["users"] for run in several) for name, several in runs.items()}
            for name, users in pace.items():
                print(f"{items:7,} items  {name:10}{users:10,.0f} users / CPU s  {pace['ours'] / users:6.1f} x")


def _run(python: str, name: str, file: Path) -> dict[str, float]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [python, __file__, name, str(file)]
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    lines = [line[5:] for line in done.stdout.splitlines() if line.startswith("JSON ")]
    if not lines:
        raise SystemExit(f"{name} left no figures:\n{done.stderr[-1500:]}")
    out: dict[str, float] = json.loads(lines[-1])
    return out


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

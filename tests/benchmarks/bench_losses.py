"""Cost of the losses: targets a CPU-second, and peak memory and time against the size of the catalogue.

    python tests/benchmarks/bench_losses.py [results.json [picture.png]]

One thread. Seconds are CPU-seconds, the least of a few interleaved steps of forward and backward; memory is what a
step adds to the resident size of a process of its own that holds the item table already. Nothing here needs data.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTH = 64
SIZES = [10_000, 100_000, 1_000_000]
LOSSES = ["full_softmax", "chunked_softmax", "sampled_softmax", "sce"]
POSITIONS, USERS = 256, 256


def case(positions: int, items: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    queries = torch.randn(positions, WIDTH, requires_grad=True)
    table = torch.randn(items + 1, WIDTH).mul_(0.1).requires_grad_()
    return queries, table, torch.randint(1, items + 1, (positions,))


def seconds(step: Callable[[], Any]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def speed(positions: int, items: int, repeats: int) -> dict[str, Any]:
    """Targets a CPU-second of the exact losses."""
    from rec_lightning.losses.chunked_softmax import ChunkedSoftmax

    queries, table, target = case(positions, items)

    def plain(queries: Tensor, keys: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(queries @ keys[1:].T, target - 1)

    ways: dict[str, Any] = {"F.cross_entropy": plain, "chunked_softmax": ChunkedSoftmax()}
    ways["torch.compile"] = torch.compile(plain)
    best: dict[str, float] = {}
    for turn in range(repeats + 1):
        for name, loss in ways.items():
            queries.grad = table.grad = None
            took = seconds(lambda loss=loss: loss(queries, table, target).backward())  # type: ignore[misc]
            if turn:  # the first one compiles
                best[name] = min(took, best.get(name, took))
    return {name: round(positions / took) for name, took in best.items()}


def pairs(positions: int, count: int, width: int, items: int, repeats: int) -> dict[str, float]:
    """CPU-seconds of scores and gradients of negatives of each position: here, and with a vector of each pair."""
    from rec_lightning.losses.pair_scores import pair_scores

    def plain(queries: Tensor, keys: Tensor, drawn: Tensor) -> Tensor:
        return (F.embedding(drawn, keys) @ queries.unsqueeze(2)).squeeze(2)

    torch.manual_seed(0)
    queries, keys = (torch.randn(n, width, requires_grad=True) for n in (positions, items))
    drawn = torch.randint(items, (positions, count))
    took: dict[str, list[float]] = {"here": [], "plain": []}
    for _ in range(repeats):
        for name, way in (("here", pair_scores), ("plain", plain)):
            queries.grad = keys.grad = None
            took[name].append(seconds(lambda way=way: way(queries, keys, drawn).sum().backward()))  # type: ignore[misc]
    return {name: round(median(several), 4) for name, several in took.items()}


def resident(field: str) -> float:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) / 1024


def loss_step(name: str, items: int) -> Callable[[], None]:
    import numpy as np
    import polars as pl

    from rec_lightning.contracts import Catalog
    from tests.members import member

    loss = member("loss", name)
    loss.prepare(Catalog(pl.DataFrame({"item": range(items)}), np.ones(items + 1, np.int64)))
    queries, table, target = case(POSITIONS, items)

    def step() -> None:
        queries.grad = table.grad = None
        negatives = loss.negatives(target)
        if negatives is None:
            loss(queries, table, target, None).backward()
            return
        # as the task does: vectors of the items asked for only
        parts = [target, negatives.items.flatten()]
        unique, place = torch.unique(torch.cat(parts), return_inverse=True)
        aim, drawn = place.split([len(part) for part in parts])
        negatives = type(negatives)(drawn.view_as(negatives.items), negatives.rate)
        loss(queries, F.embedding(unique, table), aim, negatives).backward()

    return step


def ranking_step(items: int) -> Callable[[], None]:
    from rec_lightning.contracts import Batch
    from rec_lightning.ranking.topk import TopK

    queries, table, target = (x.detach() for x in case(USERS, items))
    users = torch.arange(USERS)
    seen = torch.randint(1, items + 1, (USERS * 50,))
    batch = Batch(users, target.unsqueeze(1), torch.ones_like(users), target, seen, torch.arange(USERS + 1) * 50)
    ranking = TopK(20)
    return lambda: ranking(batch, queries, table)  # type: ignore[return-value]


def one(name: str, items: int) -> dict[str, float]:
    """Memory and time of one part at one size, in this process."""
    step = ranking_step(items) if name == "topk" else loss_step(name, items)
    before = resident("VmRSS")
    took = min(seconds(step) for _ in range(2))
    return {"memory_mb": round(max(resident("VmHWM") - before, 0), 1), "cpu_seconds": round(took, 4)}


def draw(results: dict[str, Any], file: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, key, label in zip(axes, ("memory_mb", "cpu_seconds"), ("MB a step", "CPU-seconds a step"), strict=True):
        for name, sizes in results["catalogue"].items():
            values = [sizes[str(n)][key] for n in SIZES]
            axis.plot(SIZES, values, marker="o", label=name, linestyle="--" if name == "topk" else "-")
        axis.set(xscale="log", yscale="log", xlabel="items", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(file, dpi=120)


def main() -> None:
    """All parts, each size in a process of its own."""
    results: dict[str, Any] = {"positions": POSITIONS, "users": USERS, "width": WIDTH, "torch": torch.__version__}
    results["targets_a_cpu_second"] = {}
    for items, repeats in ((1_682, 15), (12_101, 4)):
        found = results["targets_a_cpu_second"][str(items)] = speed(2_048, items, repeats)
        print("targets a CPU-second,", items, "items:", found, flush=True)
    results["negatives_of_each_position"] = {}
    for sizes in ((900, 1, 64, 12_101), (900, 256, 64, 12_101), (900, 256, 256, 12_101), (6_000, 256, 128, 3_416)):
        spent = results["negatives_of_each_position"]["{} x {}, width {}, {} items".format(*sizes)] = pairs(*sizes, 5)
        print("{:,} positions x {} negatives, width {}, {:,} items:".format(*sizes), spent, flush=True)
    results["catalogue"] = {}
    for name in [*LOSSES, "topk"]:
        results["catalogue"][name] = {}
        for items in SIZES:
            done = subprocess.run([sys.executable, __file__, "one", name, str(items)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            found = results["catalogue"][name][str(items)] = json.loads(done.stdout)
            print(
                f"{name:<16} {items:>9,} items  {found['memory_mb']:>8,.1f} MB  {found['cpu_seconds']:.4f} s",
                flush=True,
            )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(results, indent=1) + "\n")
    if len(sys.argv) > 2:
        draw(results, sys.argv[2])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]))))
    else:
        main()

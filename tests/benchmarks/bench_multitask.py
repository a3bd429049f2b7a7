"""What a step of three tasks costs: each structure against the shared bottom, gradients put together against a sum.

    python tests/benchmarks/bench_multitask.py [repeats]

MovieLens-100K, ids, SASRec of width 64 over 50 events, next item, rating and like; every structure has experts (the
shared bottom its one net) of 64 hidden units. A step is forward, backward and optimizer. Seconds are processor time of
this process on one thread; the cases take turns on the same batch, and the median over the repeats is told.
Targets: 1.3 times the shared bottom for a structure, 3 times the sum for gradients put together.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
COMMON = ["task=multitask", "items=id", "tuning=full", "task.cosines_every=0", "data.batch_size=128"]
STRUCTURES = ("shared_bottom", "cross_stitch", "mmoe", "cgc", "ple")
METHODS = ("fixed", "uncertainty", "dwa", "gradnorm", "pcgrad", "cagrad", "mgda", "upgrad", "nash_mtl")


def made(data: Any, *overrides: str) -> tuple[Any, Any]:
    """A task and its optimizer."""
    import torch

    from rec_lightning.runtime.build import build_task
    from rec_lightning.runtime.composition import compose

    torch.manual_seed(0)
    task = build_task(compose("train", [*COMMON, *overrides]), data.catalog).train()
    task.log = lambda *_, **__: None  # type: ignore[method-assign]
    return task, torch.optim.AdamW(task.parameters(), lr=1e-3)


def step(task: Any, optimizer: Any, batch: Any) -> float:
    """Seconds of one step."""
    begin = time.process_time()
    optimizer.zero_grad()
    task.training_step(batch, 0).backward()
    optimizer.step()
    return time.process_time() - begin


def compare(cases: dict[str, tuple[Any, Any]], batches: Any, repeats: int) -> dict[str, Any]:
    """Median seconds of each case, and its median ratio to the first on the same batch."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    stream = cycle(batches)
    for number in range(repeats + 3):
        batch = next(stream)
        for name, case in cases.items():
            seconds = step(*case, batch)
            if number >= 3:  # the first ones warm up
                found[name].append(seconds)
    first = found[next(iter(cases))]
    return {
        name: {
            "step ms": round(1000 * median(seconds), 1),
            "times the first": round(median(a / b for a, b in zip(seconds, first, strict=True)), 2),
        }
        for name, seconds in found.items()
    }


def main() -> None:
    """Prints one line of JSON a comparison."""
    import torch
    from hydra.utils import instantiate

    from rec_lightning.runtime.composition import compose
    from rec_lightning.runtime.several import labels_of

    torch.set_num_threads(1)
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    config = compose("train", COMMON)
    data = instantiate(config.data)
    data.prepare()
    data.label_tasks(*labels_of(config))
    batches = [batch for batch, _ in zip(data.train_dataloader(), range(repeats + 3), strict=False)]
    structures = {name: made(data, f"structure={name}", "structure.hidden=[64]") for name in STRUCTURES}
    print(json.dumps({"structures": compare(structures, batches, repeats)}), flush=True)
    methods = {name: made(data, f"balancing={name}") for name in METHODS}
    print(json.dumps({"balancing": compare(methods, batches, repeats)}), flush=True)


if __name__ == "__main__":
    main()

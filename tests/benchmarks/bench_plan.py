"""Memory as planned beside the peak of a process: ``python -m tests.benchmarks.bench_plan``.

For each of six configurations a process plans from parts of a batch, and another builds the same model and takes three
whole steps; its peak is the resident memory's (VmHWM) above what it held before the model was built. One thread. The C
library is told to give back at once what is freed: by itself it keeps pieces of earlier steps, up to 1.6 times as much.
What is measured still holds pages of PyTorch's own code that the first step touches, 7 to 18 MB, and some 20 MB that
the first language model of a process leaves; no plan knows of these.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

DATA = (
    "data=synthetic data.source.users=600 data.source.items=20000 data.source.events_per_user=60 logger=[] "
    "max_length=50"
)
RUNS = {
    "ids, SASRec, chunked softmax": "items=id tuning=full width=128",
    "ids, SASRec, full softmax": "items=id tuning=full width=64 loss=full_softmax data.batch_size=32",
    "ids, GRU4Rec, sampled softmax": "items=id tuning=full width=256 backbone=gru4rec loss=sampled_softmax",
    "ids, BERT4Rec, chunked softmax": "items=id tuning=full width=192 backbone=bert4rec data.batch_size=128",
    "text, LoRA": "items=text items.max_tokens=16 items.fresh=512 data.source.items=2000",
    "text, LoRA, drawn items": "items=text items.max_tokens=16 data.source.items=2000 loss=sampled_softmax "
    "data.batch_size=16",
}


def memory(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def measure(words: list[str]) -> int:
    """Peak of three whole steps, and of building the model."""
    import torch
    from hydra.utils import instantiate
    from lightning import seed_everything

    from rec_lightning.runtime.build import build_task, rehearse
    from rec_lightning.runtime.composition import compose
    from rec_lightning.runtime.probe import _step

    config = compose("train", words)
    data = instantiate(config.data)
    data.prepare()
    seed_everything(0, verbose=False)
    batches = iter(data.train_dataloader())
    rehearse(config, data)  # what libraries take at first use is none of the model's
    torch.nn.Linear(8, 8)(torch.ones(2, 8)).sum().backward()
    before = memory("VmRSS")
    task = build_task(config, data.catalog)
    trained = [p for p in task.parameters() if p.requires_grad]
    optimizer = instantiate(config.optimizer)([{"params": trained}])
    Path("/proc/self/clear_refs").write_text("5")  # the peak of loading is not that of training
    for _ in range(3):
        _step(task, optimizer, next(batches))
    return memory("VmHWM") - before


def main() -> None:
    """Prints a row for each configuration."""
    print(f"{'configuration':<34} planned MB  measured MB  planned / measured")
    for name, options in RUNS.items():
        words = [*DATA.split(), *options.split()]
        words = [
            word for n, word in enumerate(words) if word.split("=")[0] not in {w.split("=")[0] for w in words[n + 1 :]}
        ]
        line = [sys.executable, "-m", "rec_lightning.cli", "plan", *words, "gpu=cpu", "devices=[1]", "json=true"]
        planned = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)["memory_here"]
        line = [sys.executable, "-m", "tests.benchmarks.bench_plan", *words]
        env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        measured = int(subprocess.run(line, capture_output=True, text=True, check=True, env=env).stdout)
        print(f"{name:<34} {planned / 1e6:10.1f} {measured / 1e6:12.1f} {planned / measured:19.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1:]))
    else:
        main()

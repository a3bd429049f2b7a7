"""A short multi-task training under a method of balancing, in one process or as one of two, and where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests import spawned

METHODS = [
    "fixed",
    "uncertainty",
    "gradnorm",
    "upgrad",
    "nash_mtl",
    "upgrad, split",
    "gradnorm, split",
    "uncertainty, by block",
]
STEPS = 3


def train(rank: int, world: int, port: int, folder: str) -> None:
    """Trains with every method in turn and writes what was seen; as a process of its own."""
    spawned.join(rank, world, port)
    import torch

    torch.set_num_threads(1)
    seen = {method: one(method, rank, world, folder) for method in METHODS}
    Path(folder, f"{world}-{rank}.json").write_text(json.dumps(seen))


def one(method: str, rank: int, world: int, folder: str) -> dict[str, Any]:
    """Losses of the steps and the newest cosine, and sums of weights at the end."""
    import torch
    from lightning import Trainer

    from rec_lightning.backbones.sasrec import SASRec
    from rec_lightning.runtime.strategies.fsdp2 import Fsdp2
    from rec_lightning.tasks.processes import whole
    from tests.tasks.joint import D, Given, T, U, task

    balancing, _, split = method.partition(", ")
    torch.manual_seed(2)
    backbone = SASRec(D, max_length=6, blocks=2, dropout=0.0) if split else None
    learner = task(balancing=balancing, cosines_every=0 if split == "by block" else 1, backbone=backbone)
    # the halves have other numbers of labels, and the first rows of one no rating at all
    halves = [[*range(1, U * T, 4), 0, 2, 4], [*range(3, U * T, 4), *range(6, 40, 2)]]
    odd = [list(range(0, U * T, 2)), list(range(1, U * T, 2))]
    steps = [halves, odd, halves]
    trainer = Trainer(
        accelerator="cpu",
        devices=world,
        strategy="auto" if world == 1 else Fsdp2(by_block=split == "by block") if split else "ddp",
        default_root_dir=folder,
        max_epochs=1,
        accumulate_grad_batches=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    rows = [step[rank] for step in steps] if world > 1 else [[*step[0], *step[1]] for step in steps]
    trainer.fit(learner, Given(rows))
    found = {key: float(value) for key, value in trainer.callback_metrics.items()}
    return {
        "losses": [found[f"train/{name}/loss_epoch"] for name in learner.names],
        "cosine": found.get("train/cosine/next/like", 0.0),
        "weights": [float(whole(p.detach()).double().sum()) for p in learner.parameters() if p.requires_grad],
    }


def run(world: int, folder: Path) -> list[dict[str, Any]]:
    """What each of ``world`` processes saw."""
    return spawned.run(train, world, folder)

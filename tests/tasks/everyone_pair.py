"""A training whose negatives and views are those of all processes, in one process or as one of two of other sizes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

KINDS = ["in_batch", "cl4srec", "duorec"]
ITEMS, LENGTH, FIRST = 90, 8, 5  # the first process has 5 of 8 rows, and the second the shorter ones
STEPS = 4


def work(folder: str) -> int:
    """What each process does."""
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    Path(folder, f"{world}-{rank}.json").write_text(json.dumps(trained(rank, world)))
    return 0


def trained(rank: int, world: int) -> dict[str, dict[str, Any]]:
    """What is seen of each kind, with those of everyone and without, by ``kind everyone``."""
    import torch

    from rec_lightning.companions import duorec

    class First:
        rand = staticmethod(torch.zeros)  # of several pairs the first

        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

    torch.set_num_threads(1)
    duorec.torch = First()  # type: ignore[assignment]
    try:
        return {f"{kind} {everyone}": one(kind, rank, world, everyone) for kind in KINDS for everyone in (True, False)}
    finally:
        duorec.torch = torch


def one(kind: str, rank: int, world: int, everyone: bool) -> dict[str, Any]:
    """The mean loss of the run, gradients of the first step and weights at the end."""
    from lightning import Callback, Trainer
    from torch.utils.data import DataLoader

    class Watch(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            if not trainer.global_step:
                named = pl_module.named_parameters()
                found.update({name: p.grad.double().flatten().tolist() for name, p in named if p.grad is not None})

    found: dict[str, list[float]] = {}
    task = learner(kind, everyone)
    rows = [[*range(8)], [*range(FIRST)], [*range(FIRST, 8)]][0 if world == 1 else rank + 1]
    trainer = Trainer(
        accelerator="cpu",
        devices=world,
        strategy="ddp" if world > 1 else "auto",
        max_epochs=1,
        callbacks=[Watch()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(task, DataLoader([batch(step, rows) for step in range(STEPS)], batch_size=None))
    ended = {name: p.detach().double().flatten().tolist() for name, p in task.named_parameters()}
    return {"loss": float(trainer.callback_metrics["train/loss_epoch"]), "gradients": found, "weights": ended}


def learner(kind: str, everyone: bool) -> Any:
    """A task in which nothing is left to chance but which pair DuoRec takes."""
    import numpy as np
    import polars as pl
    import torch

    from rec_lightning.backbones.sasrec import SASRec
    from rec_lightning.companions import duorec
    from rec_lightning.companions.cl4srec import CL4SRec
    from rec_lightning.contracts import Catalog
    from rec_lightning.heads.dot import DotHead
    from rec_lightning.items.id import IdItems
    from rec_lightning.losses.full_softmax import FullSoftmax
    from rec_lightning.losses.negatives.in_batch import InBatch
    from rec_lightning.losses.sampled_softmax import SampledSoftmax
    from rec_lightning.ranking.topk import TopK
    from rec_lightning.runtime.schedules import warmup
    from rec_lightning.tasks.sequence import SequenceTask

    torch.manual_seed(0)
    catalog = Catalog(pl.DataFrame({"item": range(ITEMS)}), np.arange(ITEMS + 1))
    loss: Any = FullSoftmax()
    if kind == "in_batch":
        loss = SampledSoftmax(ITEMS - 1, negatives=InBatch(everyone))  # more than there are positions: all of them
        loss.prepare(catalog)
    views = {"newest": lambda history, length: (torch.where(length[:, None] > 1, history, 7), length)}
    companion = {
        "in_batch": None,
        "cl4srec": CL4SRec(16, views, 0.5, everyone=everyone),
        "duorec": duorec.DuoRec(0.5, cosine=True, everyone=everyone),
    }[kind]
    return SequenceTask(
        items=IdItems(catalog, 16),
        backbone=SASRec(16, max_length=LENGTH, blocks=1, dropout=0.0),
        head=DotHead(),
        loss=loss,
        ranking=TopK(k=5, exclude_seen=False),
        metrics={},
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.5),
        scheduler=lambda optimizer, steps: warmup(optimizer, steps, share=0.0, then="constant"),
        companion=companion,
    )


def batch(step: int, rows: list[int]) -> Any:
    """Those rows of the step's batch, as wide as the longest of them; many rows ask for the same few items."""
    import torch

    from rec_lightning.contracts import Batch

    generator = torch.Generator().manual_seed(step)
    length = torch.tensor([8, 8, 7, 6, 6, 5, 3, 1])[rows]
    events = torch.randint(1, 13, (8, LENGTH + 1), generator=generator)[rows, : int(length.max()) + 1]
    real = torch.arange(int(length.max())) < length.unsqueeze(1)
    return Batch(torch.tensor(rows), events[:, :-1] * real, length, events[:, 1:] * real)

"""A short training under a method, in one process or as one of two, and what it sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests import spawned
from tests.tuning.cells import VALID

METHODS = [choice for choice, kind in VALID if kind == "encoder"]
STEPS, GLOBAL_BATCH = 6, 8


def train(rank: int, world: int, port: int, folder: str, model: str) -> None:
    """Trains with every method in turn and writes what was seen; as a process of its own."""
    os.environ["REC_CACHE"] = f"{folder}/cache{rank}"
    spawned.join(rank, world, port)
    import torch

    torch.set_num_threads(1)
    seen = {method: one(method, rank, world, model) for method in METHODS}
    Path(folder, f"{world}-{rank}.json").write_text(json.dumps(seen))


def one(method: str, rank: int, world: int, model: str) -> dict[str, Any]:
    """Loss of each step over its global batch, and bytes of gradients and buffers a step."""
    import torch
    import torch.distributed as dist
    from lightning import Callback, Trainer
    from lightning.pytorch.strategies import DDPStrategy
    from torch.nn.parallel import DistributedDataParallel

    from rec_lightning.data.batches import TrainBatches
    from tests.tuning import cells
    from tests.tuning.learner import learner, sequences

    class Watch(Callback):
        """Counts what the processes exchange."""

        def __init__(self) -> None:
            self.gradients, self.buffers, self.losses = [0] * STEPS, 0, list[float]()
            self.sums = (0.0, 0)

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            wrapped = trainer.strategy.model
            if not isinstance(wrapped, DistributedDataParallel):
                return

            def hook(_, bucket):  # type: ignore[no-untyped-def]  # torch refuses annotations that are strings
                tensor = bucket.buffer()
                self.gradients[trainer.global_step] += tensor.numel() * tensor.element_size()
                work = dist.all_reduce(tensor, async_op=True)
                assert work is not None
                return work.get_future().then(lambda done: done.value()[0] / world)

            wrapped.register_comm_hook(None, hook)
            true = wrapped._sync_module_buffers

            def counted(rank: int) -> None:
                self.buffers += sum(b.numel() * b.element_size() for b in wrapped.modules_buffers)
                true(rank)

            wrapped._sync_module_buffers = counted

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            state = torch.stack([pl_module._loss_sum, pl_module._positions.double()])
            if world > 1:
                dist.all_reduce(state)
            loss, positions = state.tolist()
            self.losses.append((loss - self.sums[0]) / (positions - self.sums[1]))
            self.sums = (loss, positions)

    torch.manual_seed(0)
    task = learner(cells.tuning(method, "encoder"), model)
    watch = Watch()
    trainer = Trainer(
        accelerator="cpu",
        devices=world,
        strategy=DDPStrategy(find_unused_parameters=method == "gradual_unfreezing") if world > 1 else "auto",
        max_epochs=1,
        max_steps=STEPS,
        callbacks=[watch, *getattr(task.tuning, "callbacks", list)()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    batches = TrainBatches(sequences(), 8, GLOBAL_BATCH, seed=0, rank=rank, world=world)
    trainer.fit(task, batches)
    return {
        "losses": watch.losses,
        "epoch": float(trainer.callback_metrics.get("train/loss_epoch", torch.nan)),
        "gradients": watch.gradients,
        "buffers": watch.buffers,
        "trained": sum(p.numel() * p.element_size() for p in task.parameters() if p.requires_grad),
        "weights": {n: float(p.double().sum()) for n, p in task.named_parameters() if p.requires_grad},
    }


def run(world: int, folder: Path, model: str) -> list[dict[str, Any]]:
    """What each of ``world`` processes saw."""
    return spawned.run(train, world, folder, model)

"""A short training under each strategy, in one process or as one of two, and what it sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

STEPS, BATCH = 5, 8
# name -> item encoder, keyword arguments of the strategy
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "ids": ("id", {}),
    "ids by block": ("id", {"by_block": True}),
    "text and LoRA as one": ("text", {"by_block": False}),
    "text and LoRA by block, computed again": ("text", {"by_block": True, "activation_checkpointing": True}),
}


def work(text: str) -> int:
    """What each process does; ``text`` is JSON of the folder, a language model and the number of processes."""
    asked = json.loads(text)
    import torch

    torch.set_num_threads(1)
    world = asked["world"]
    seen = {name: one(name, world, asked["model"]) for name in RUNS}
    rank = int(os.environ.get("RANK", "0"))
    Path(asked["folder"], f"{world}-{rank}.json").write_text(json.dumps(seen))
    return 0


def one(name: str, world: int, model: str) -> dict[str, Any]:
    """Loss of each step over its global batch, weights at the end, and the bytes that the collectives moved."""
    import torch
    import torch.distributed as dist
    from lightning import Callback, Trainer

    from rec_lightning.data.batches import TrainBatches
    from rec_lightning.runtime.sizes import Tensor, fsdp2
    from rec_lightning.runtime.strategies.ddp import ddp
    from rec_lightning.runtime.strategies.fsdp2 import Fsdp2, blocks
    from rec_lightning.tasks.lean import lean_state
    from rec_lightning.tasks.processes import several, whole
    from tests.tuning import cells
    from tests.tuning.learner import id_learner, learner, sequences

    class Watch(Callback):
        def __init__(self) -> None:
            self.losses, self.sums = list[float](), (0.0, 0)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            state = torch.stack([pl_module._loss_sum, pl_module._positions.double()])
            if several():
                dist.all_reduce(state)
            loss, positions = state.tolist()
            self.losses.append((loss - self.sums[0]) / (positions - self.sums[1]))
            self.sums = (loss, positions)

    kind, options = RUNS[name]
    torch.manual_seed(0)
    task = id_learner() if kind == "id" else learner(cells.tuning("lora", "encoder"), model)
    watch = Watch()
    trainer = Trainer(
        accelerator="cpu",
        devices=world,
        strategy="auto" if world == 1 else Fsdp2(**options) if options else ddp(static_graph=True, bucket_mb=1),
        max_epochs=1,
        max_steps=STEPS,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    rank, sent = int(os.environ.get("RANK", "0")), [0]
    parameters = list(task.parameters())
    inside = {id(p) for block in blocks(task.backbone) for p in block.parameters()}  # type: ignore[arg-type]
    tensors = [Tensor(tuple(p.shape), p.element_size(), p.requires_grad, id(p) in inside) for p in parameters]
    expected = fsdp2(tensors, 0, 0, world, options.get("by_block", False)).traffic * STEPS
    # their names differ from one version of torch to another
    likely = "all_gather_single all_gather_into_tensor reduce_scatter_single reduce_scatter_tensor".split()
    names = [name for name in likely if hasattr(dist, name)]
    true = {name: getattr(dist, name) for name in names}

    def counted(collective: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            # the larger of both tensors is the whole, of which a process sends all but a share
            size = max(t.numel() * t.element_size() for t in (*given, *named.values()) if torch.is_tensor(t))
            sent[0] += size * (world - 1) // world
            return collective(*given, **named)

        return call

    for name in names:
        setattr(dist, name, counted(true[name]))
    trainer.fit(task, TrainBatches(sequences(), 8, BATCH, seed=0, rank=rank, world=world))
    for name in names:
        setattr(dist, name, true[name])
    local = sum(getattr(p, "_local_tensor", p).numel() for p in task.parameters())
    state = {name: whole(value).double() for name, value in lean_state(task).items()}
    return {
        "losses": watch.losses,
        "weights": {name: [float(v.sum()), float(v.abs().sum())] for name, v in state.items()},
        "padding": float(state["items.embedding.weight"][0].abs().sum()) if kind == "id" else 0.0,
        "sent": sent[0],
        "expected": expected,
        "held": local,
        "all": sum(p.numel() for p in task.parameters()),
    }

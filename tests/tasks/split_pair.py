"""A training of the whole table in one process, or of a half in each of two, and how it ranks."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

STEPS, BATCH = 6, 8


def work(text: str) -> int:
    """What each process does; ``text`` is JSON of the folder, the number of processes and the head."""
    asked = json.loads(text)
    import torch
    from lightning import Trainer

    from rec_lightning.contracts import Ranking
    from rec_lightning.data.batches import EvalBatches, TrainBatches
    from rec_lightning.heads.dot import DotHead
    from rec_lightning.runtime.strategies.vocabulary_parallel import VocabularyParallel
    from rec_lightning.tasks.lean import lean_state
    from rec_lightning.tasks.processes import everyone, total, whole
    from rec_lightning.tasks.sequence import SequenceTask
    from rec_lightning.tasks.split import SplitTask
    from tests.tuning.learner import id_learner, sequences

    torch.set_num_threads(1)
    world, rank = asked["world"], int(os.environ.get("RANK", "0"))
    seen = {}
    for name, head in (("dot", DotHead()), ("cosine", DotHead(normalize=True, temperature=0.2))):
        torch.manual_seed(0)
        task = id_learner(SequenceTask if world == 1 else SplitTask, head)
        losses: list[float] = []
        sums = [0.0, 0.0]
        step = task.training_step

        def watched(
            batch: Any, index: int, task: Any = task, step: Any = step, losses: Any = losses, sums: Any = sums
        ) -> Any:
            loss = step(batch, index)
            now = [float(total(task._loss_sum)), float(total(task._positions))]
            losses.append((now[0] - sums[0]) / (now[1] - sums[1]))
            sums[:] = now
            return loss

        task.training_step = watched  # type: ignore[method-assign]
        trainer = Trainer(
            accelerator="cpu",
            devices=world,
            strategy="auto" if world == 1 else VocabularyParallel(),
            max_epochs=1,
            max_steps=STEPS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            inference_mode=False,
        )
        trainer.fit(task, TrainBatches(sequences(), 8, BATCH, seed=0, rank=rank, world=world))
        data = sequences()
        role = data.role.copy()
        role[data.offsets[1:] - 1] = 2
        rows = EvalBatches(replace(data, role=role), 2, 8, 5, rank, world)
        trainer.test(task, dataloaders=rows, verbose=False)
        found = Ranking.cat(Ranking(*columns) for part in everyone(columns_of(task.rankings)) for columns in part)
        order = found.users.argsort()
        state = {key: whole(value) for key, value in lean_state(task).items()}
        seen[name] = {
            "losses": losses,
            "weights": {key: value.double().flatten().tolist() for key, value in state.items()},
            "ranks": found.rank[order].tolist(),
            "items": found.items[order].tolist(),
            "scores": found.scores[order].double().tolist(),
            "rows": len(getattr(task.items.embedding.weight, "_local_tensor", task.items.embedding.weight)),
        }
    Path(asked["folder"], f"{world}-{rank}.json").write_text(json.dumps(seen))
    return 0


def columns_of(rankings: list[Any]) -> list[tuple[Any, ...]]:
    return [(r.users, r.items, r.scores, r.target, r.rank) for r in rankings]

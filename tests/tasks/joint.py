"""A small multi-task training: ten users, three objectives, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import torch

from rec_lightning.backbones.mean_pooling import MeanPooling
from rec_lightning.contracts import Batch, Catalog, Sequences
from rec_lightning.data.examples import Examples
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.labels.rating import Rating
from rec_lightning.heads.dot import DotHead
from rec_lightning.heads.dot_bias import DotBias
from rec_lightning.items.id import IdItems
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.log_loss import LogLoss
from rec_lightning.losses.squared_error import SquaredError
from rec_lightning.metrics.errors import Errors
from rec_lightning.metrics.hit_rate import HitRate
from rec_lightning.metrics.roc_auc import RocAUC
from rec_lightning.ranking.topk import TopK
from rec_lightning.runtime.schedules import warmup
from rec_lightning.tasks.multitask import MultiTask
from rec_lightning.tasks.objectives import Ranks, Scores
from tests.members import member

N, U, T, D = 12, 10, 8, 16  # D as the width of a small composition
NAMES = ("next", "rating", "like")


def catalog() -> Catalog:
    events = pl.DataFrame({"trains": [True] * U * T, "known": [T] * U * T})
    users = pl.DataFrame({"user": range(U)})
    return Catalog(pl.DataFrame({"item": range(N)}), np.ones(N + 1, np.int64), users, events)


def examples(role: int = 0, drawn: Any = (0, 0)) -> Examples:
    """Each user's events, half of them without a rating and a third without a like."""
    generator = np.random.default_rng(0)
    items, rating = generator.integers(1, N + 1, U * T), generator.integers(1, 6, U * T).astype(np.float32)
    labels = np.stack([np.where(np.arange(U * T) % 2, rating, np.nan), rating >= 4], 1).astype(np.float32)
    labels[::3, 1] = np.nan
    roles = np.full(U * T, role, np.int8)
    sequences = Sequences(items, np.arange(0, U * T + 1, T), roles, pl.Series(range(U)), 1000 * np.arange(U * T))
    return Examples(sequences, labels, role, 6, role, list(drawn), every=True, seen=role > 0)


def batch_of(rows: Any = range(U * T), role: int = 0) -> Batch:
    return examples(role).gather(np.asarray(rows), 0)


def objectives(**weights: float) -> dict[str, Ranks | Scores]:
    torch.manual_seed(0)
    known = catalog()

    def scored(label: Any, loss: Any, metric: Any, name: str, **more: Any) -> Scores:
        head: Any = lambda catalog, outputs: DotBias(catalog, outputs, D)  # noqa: E731
        return Scores(known, label, head, loss, {"own": metric}, weights.get(name, 1.0), **more)

    return {
        "next": Ranks(known, DotHead(), FullSoftmax(), TopK(k=5), {"hr": HitRate([5])}, weights.get("next", 1.0)),
        "rating": scored(Rating(), SquaredError(), Errors(), "rating"),
        "like": scored(AtLeast(), LogLoss(), RocAUC(), "like"),
    }


def task(structure: str = "mmoe", balancing: str = "fixed", parts: Any = None, **changes: Any) -> MultiTask:
    parts = parts or objectives()
    torch.manual_seed(1)
    options = changes.get("options", ())
    return MultiTask(
        items=IdItems(catalog(), D, std=0.5),
        backbone=changes.get("backbone") or MeanPooling(D, dropout=0.0),
        objectives=parts,
        structure=member("structure", structure)(tasks=list(parts)),
        balancing=member("balancing", balancing, *options)(tasks=len(parts)),
        optimizer=changes.get("optimizer", lambda groups: torch.optim.SGD(groups, lr=0.05)),
        scheduler=lambda optimizer, steps: warmup(optimizer, steps, share=0.0, then="constant"),
        cosines_every=changes.get("cosines_every", 0),
    )


def silent(learner: MultiTask) -> MultiTask:
    learner.log = lambda *_, **__: None  # type: ignore[method-assign]
    return learner


class Given:
    """Batches of given rows, the same in every epoch."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Batch]:
        yield from (batch_of(rows) for rows in self.rows)

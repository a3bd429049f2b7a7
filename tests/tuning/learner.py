"""A small sequence model over texts with everything random switched off, so that processes can be compared."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Catalog, ItemEncoder, Sequences, Tuning
from rec_lightning.heads.dot import DotHead
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.ranking.topk import TopK
from rec_lightning.runtime.schedules import warmup
from rec_lightning.tasks.sequence import SequenceTask
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.full import Full
from tests.conftest import WORDS

ITEMS = 12


def sequences() -> Sequences:
    """60 users with histories of different lengths, so that no two processes have equally many positions."""
    generator = np.random.default_rng(0)
    count = generator.integers(3, 9, 60)
    items = generator.integers(1, ITEMS + 1, int(count.sum()))
    return Sequences(items, np.concatenate([[0], count.cumsum()]), np.zeros(len(items), np.int8), pl.Series(range(60)))


def learner(tuning: Tuning, model: str, fresh: int | None = None) -> SequenceTask:
    """The same task at every call with the same seed."""
    generator = np.random.default_rng(0)
    titles = [" ".join(generator.choice(WORDS, 1 + i % 6)) for i in range(ITEMS)]
    frame = pl.DataFrame({"item": range(ITEMS), "title": titles})
    items = TextItems(Catalog(frame, np.ones(ITEMS + 1, np.int64)), 16, model, max_tokens=20, fresh=fresh)
    return _task(items, tuning)


def id_learner(kind: type[SequenceTask] = SequenceTask, head: DotHead | None = None) -> SequenceTask:
    """The same over ids, all of it training."""
    frame = pl.DataFrame({"item": range(ITEMS)})
    return _task(IdItems(Catalog(frame, np.ones(ITEMS + 1, np.int64)), 16), Full(), kind, head)


def _task(
    items: ItemEncoder, tuning: Tuning, kind: type[SequenceTask] = SequenceTask, head: DotHead | None = None
) -> SequenceTask:
    backbone = SASRec(16, max_length=8, blocks=2, dropout=0.0)
    apply(tuning, {"items": items, "backbone": backbone})
    return kind(
        items=items,
        backbone=backbone,
        head=head or DotHead(),
        loss=FullSoftmax(),
        ranking=TopK(k=5, exclude_seen=False),
        metrics={},
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1),
        scheduler=lambda optimizer, steps: warmup(optimizer, steps, share=0.0, then="constant"),
        tuning=tuning,
    )

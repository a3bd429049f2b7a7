"""Vectors of users and items by the model of a finished run, for who reads them beside words.

A user's vector is the state after the history that is given, so it knows nothing of what is asked or of later events.
The run must be on the same events, and none of what is validated or tested here may have trained it.

Relations: ``backbones/collm`` reads them; ``transfer`` takes over weights of a part, here a whole model says vectors.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from rec_lightning.backbones.id_vectors import IdVectors
from rec_lightning.backbones.soft_tokens import Collaborative
from rec_lightning.contracts import ITEM, Batch, Catalog, Label, Sequences
from rec_lightning.data.module import RecData
from rec_lightning.items.id import IdItems
from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.finished import Finished, read_best, read_finished
from rec_lightning.runtime.manifest import check_data
from rec_lightning.runtime.rebuilt import rebuilt

# B rows, L length, M items asked for, N items, D width

OPTION = "backbone.vectors.run"


def collaborative(
    catalog: Catalog, run: str | None, trained: bool | None, width: int, max_length: int, label: Label
) -> Collaborative:
    """A finished run's model, or vectors that are new.

    Args:
        catalog: of the data here; empty in a rehearsal, where nothing is read.
        run: directory of the run; None for new vectors.
        trained: whether its model trains on; None for not. New vectors always train.
        width: of new vectors.
        max_length: longest history here.
        label: what is predicted here, and said of the events of a history.

    Raises:
        ValueError: no complete run, one without vectors of items or for shorter histories, on other data or another
            label, or trained on what is asked here; or new vectors shall not train.
    """
    if run is None:
        if trained is False:
            raise ValueError(
                "backbone.vectors.trained=false would keep new vectors as they were drawn. Set backbone.vectors.run "
                "to a finished run, or backbone.vectors.trained=null."
            )
        return IdVectors(IdItems(catalog, width), label)
    try:
        finished = read_finished(Path(run).expanduser(), scoring=True)
    except ValueError as error:
        raise ValueError(f"{OPTION}: {error}") from error
    _check_kind(finished, max_length, label)
    data: RecData = instantiate(finished.config.data)
    if not catalog.size:
        empty = Catalog.empty(data.item_columns, data.user_columns)
        return RunVectors(build_task(finished.config, empty), {"name": run, "values": ""}, bool(trained))
    data.prepare()
    check_data(finished.manifest, data.facts)
    _check_events(run, data, catalog)
    if finished.config.label:
        data.label_events(instantiate(finished.config.label, _convert_="all"))
    saved = read_best(finished.folder)
    task = rebuilt(finished.config, data, saved)
    state = saved["state_dict"]
    digest = hashlib.sha256(repr(saved.get("bases")).encode())
    for name in sorted(state):
        digest.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return RunVectors(task, {"name": run, "values": digest.hexdigest()}, bool(trained))


class RunVectors(nn.Module):
    """What a task's items and backbone say.

    Args:
        task: has items, a backbone and perhaps a part for labels of the history.
        base: name and hash of what it learnt; no hash in a rehearsal.
        trained: whether it trains on.

    Raises:
        ValueError: the task has no vectors of items, or no state after a history.
    """

    table: Tensor | None

    def __init__(self, task: Any, base: dict[str, str], trained: bool) -> None:
        super().__init__()
        width = getattr(task.items, "width", 0)
        if not width or getattr(task, "per_candidate", False) or not hasattr(task, "backbone"):
            raise ValueError(
                f"{OPTION} must be a run with vectors of items and a state after a history, and its task is "
                f"{type(task).__name__} with items={type(task.items).__name__}. Set it to a run of task=sequence, or "
                "of task=scoring with items=id."
            )
        self.items, self.backbone, self.width, self.trained = task.items, task.backbone, width, trained
        self.feedback: nn.Module | None = getattr(task, "feedback", None)
        self.tells = bool(getattr(task, "tells", False))
        self.needs_time = bool(getattr(task, "needs_time", False))
        self.base = base
        for part in self.modules():
            if part is not self and isinstance(getattr(part, "base", None), dict):
                part.base = None  # type: ignore[assignment]  # the hash here covers it
        if not trained:
            self.requires_grad_(False)
        self.register_buffer("table", None, persistent=False)
        self.train()

    def train(self, mode: bool = True) -> RunVectors:
        """Without training of its own it drops nothing out."""
        return super().train(mode and self.trained)

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        if self.trained:
            out: Tensor = self.items.vectors(items)
            return out
        if self.table is None:
            self.table = self.items.table().detach()
        return self.table[items]

    def users(self, batch: Batch) -> Tensor:
        """(B, D); zeros without history."""
        unique, place = torch.unique(batch.history, return_inverse=True)
        past = nn.functional.embedding(place, self.vectors(unique))  # (B, L, D)
        if self.feedback is not None:
            assert batch.feedback is not None
            past = past + self.feedback(batch.feedback)
        plain = batch if self.tells else replace(batch, feedback=None)
        return plain.last(self.backbone.states(plain, past)) * (batch.history[:, :1] > 0)


def _check_kind(finished: Finished, max_length: int, label: Label) -> None:
    config = finished.config
    if not finished.trained:
        raise ValueError(f"{OPTION} must be a run of train, and {finished.folder} is a baseline's. Set {OPTION}.")
    if config.max_length < max_length:
        raise ValueError(
            f"max_length must be at most that of {OPTION} ({config.max_length}), got {max_length}. Set max_length."
        )
    theirs = instantiate(config.label, _convert_="all") if config.get("label") else None
    if theirs is not None and config.task.get("feedback") and theirs != label:
        raise ValueError(
            f"{OPTION} must be a run whose histories say the same label ({label}), and {finished.folder} reads "
            f"{theirs}. Set label as there, or a run with task.feedback=false."
        )


def _check_events(run: str, data: RecData, catalog: Catalog) -> None:
    # the same items, users and events, and nothing that is asked here has trained it
    here, there = catalog.sequences, data.sequences
    assert here is not None
    if not catalog.items[ITEM].equals(data.catalog.items[ITEM]) or not _same(here, there):
        raise ValueError(
            f"{OPTION} must be a run on the same items, users and events, and {run} was trained on others: "
            f"{data.catalog.size:,} items, {len(there.users):,} users and {len(there.items):,} events there, "
            f"{catalog.size:,}, {len(here.users):,} and {len(here.items):,} here. Set data as there, or another run."
        )
    asked = np.isin(np.asarray(here.role), (1, 2))
    known = int((asked & (np.asarray(there.role) == 0)).sum())
    if known:
        raise ValueError(
            f"{OPTION} must be a run that was not trained on what is asked here, and {run} was on {known:,} of "
            f"{int(asked.sum()):,} events of validation and test. Train it on the same split, or on one that ends "
            "earlier."
        )


def _same(here: Sequences, there: Sequences) -> bool:
    return (
        here.users.equals(there.users)
        and np.array_equal(here.offsets, there.offsets)
        and np.array_equal(here.items, there.items)
    )

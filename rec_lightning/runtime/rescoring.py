"""A run of scoring as the second stage: it orders the candidates that another run brings.

A candidate is asked as the target is: after the history up to it, at its moment. A column of the target's event is read
only where it is known before an item is chosen, as the hour and the weekday are, since others would tell what was
chosen; further ones have to be vouched for. The run must have the other's data and split, so that nothing it was
trained on is asked. Candidates that are worth the same keep the first stage's order.

Relations: ``fusing`` and the room ``use`` ask it; ``label_evaluation`` measures the same run by its labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import get_object, instantiate
from lightning import Fabric
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.module import RecData
from rec_lightning.ranking.reranked import reordered, settled
from rec_lightning.ranking.topk import check_finite
from rec_lightning.runtime.build import build_task
from rec_lightning.runtime.finished import Finished, read_best, read_finished
from rec_lightning.runtime.rebuilt import rebuilt
from rec_lightning.runtime.training import quieten

# U targets, B rows, C candidates, N items, D width

_MOMENT = ("hour", "weekday")  # columns of an event that its time alone decides


def read_scorer(run: str) -> Finished | None:
    """A complete run that scored labels; None for one that ranks.

    Raises:
        ValueError: no complete run.
    """
    found = read_finished(Path(run).expanduser(), scoring=True)
    return found if found.config.get("label") else None


class Rescoring:
    """Construction tries everything that can be known wrong without data.

    Args:
        run: that scored labels.
        request: columns of an event that are known before an item is chosen, beside the hour and the weekday; None
            where no event is asked about, so that it may read none.

    Raises:
        ValueError: its label is no number to order by, or it reads what cannot be known of a candidate.
    """

    def __init__(self, run: Finished, request: Sequence[str] | None = ()) -> None:
        quieten()
        self.run, self.config = run, run.config
        if get_object(self.config.label["_target_"]).kind == "classes":
            raise ValueError(
                f"a run that orders candidates must score a like or a number, and {run.folder} tells classes apart. "
                "Train one with label=at_least, label=clicked or label=rating."
            )
        self.data: RecData = instantiate(self.config.data)
        with torch.device("meta"):
            task = build_task(self.config, Catalog.empty(self.data.item_columns, self.data.user_columns))
        self.columns = tuple(column for part in task.modules() for column in getattr(part, "event_columns", ()))
        self._check(request)

    def _check(self, request: Sequence[str] | None) -> None:
        for column in self.columns:
            if request is None:
                raise ValueError(
                    f"{self.run.folder} reads the column {column!r} of events, and here no event is asked about. Train "
                    "it without."
                )
            if column not in (*_MOMENT, *request):
                raise ValueError(
                    f"{self.run.folder} reads the column {column!r} of events, and a candidate has had no event. Train "
                    f"it without, or set request=[{column}] where it is known before an item is chosen, as a query is."
                )

    def read(self, first: RecData, name: str) -> None:
        """Reads the data and puts the model together.

        Args:
            first: prepared data of the run that brings the candidates.
            name: of that run.

        Raises:
            ValueError: they are not this run's, or its checkpoint does not fit.
            OSError: data or model cannot be had.
        """
        saved = read_best(self.run.folder)
        data = self.data
        data.prepare()
        for what, own, other in (
            ("data", data.facts.fingerprint, first.facts.fingerprint),
            ("split", data.facts.split, first.facts.split),
            ("data.inputs", data.inputs, first.inputs),
        ):
            if own != other:
                raise ValueError(
                    f"both stages must have the same {what}, so that the second was not trained on what is asked, and "
                    f"{name} has {other}, {self.run.folder} {own}. Train one of them on the other's data and split."
                )
        data.label_events(instantiate(self.config.label, _convert_="all"))
        task: Any = rebuilt(self.config, data, saved)
        trainer = self.config.trainer
        self.fabric = Fabric(accelerator=trainer.accelerator, devices=1, precision=trainer.precision)
        self.task = task.to(self.fabric.device).eval()
        with torch.no_grad(), self.fabric.autocast():
            self.vectors: Tensor = self.task.items.table()

    def lists(self, first: Ranking, stage: str) -> Ranking:
        """The same candidates in this run's order.

        Args:
            first: (U, C) of the first stage, in the order of the users.
            stage: ``val`` or ``test``, whose targets these are.

        Raises:
            ValueError: what a candidate is worth is not finite.
        """
        data, first = self.data, settled(first)
        known = data.catalog.sequences
        assert known is not None
        known = replace(known, timestamp=known.timestamp if self.task.needs_time else None)
        role = 1 if stage == "val" else 2
        # about as many candidates at once as in the run's own evaluation
        rows = max(1, data.eval_batch_size // first.items.shape[1])
        batches = EvalBatches(known, role, data.max_length, rows, inputs=data.inputs)
        place = torch.from_numpy(np.argsort(np.argsort(batches.user, kind="stable")))  # of each row in the ranking
        assert torch.equal(first.users[place], torch.from_numpy(batches.user))
        found, done = list[Ranking](), 0
        for batch in batches:
            found.append(self.ordered(first.take(place[done : done + len(batch)]), batch))
            done += len(batch)
        return Ranking.cat(found).take(torch.argsort(place))

    def ordered(self, candidates: Ranking, batch: Batch) -> Ranking:
        """The candidates by what they are worth.

        Args:
            candidates: (B, C), settled; 0 where there are fewer.
            batch: the same users, with the labels of their history.

        Raises:
            ValueError: what one is worth is not finite.
        """
        some = candidates.items > 0
        # where there is none another stands, whose worth is not read
        asked = torch.where(some, candidates.items, candidates.items[:, :1].clamp(min=1))
        with torch.no_grad(), self.fabric.autocast():
            device = self.fabric.device
            worth = self.task.worth(replace(batch, candidate=asked).to(device), self.vectors).cpu()  # (B, C)
        check_finite(worth)
        top, column = worth.masked_fill(~some, -torch.inf).sort(dim=1, descending=True, stable=True)
        found = reordered(candidates, torch.where(some.gather(1, column), column, -1))
        return replace(found, scores=top.float())

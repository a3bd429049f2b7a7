"""One trunk under several objectives: their losses of a batch, and what they measure.

Relations: ``multitask`` trains it; ``objectives`` are its parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rec_lightning.contracts import (
    PAD,
    Backbone,
    Batch,
    Gates,
    ItemEncoder,
    OptimizerFactory,
    Predictions,
    Ranking,
    SchedulerFactory,
    Stage,
    Structure,
    Tuning,
)
from rec_lightning.tasks.crossing import Crossing
from rec_lightning.tasks.distinct import distinct
from rec_lightning.tasks.feedback import Feedback
from rec_lightning.tasks.objectives import Ranks, Scores, both
from rec_lightning.tasks.processes import total

# B rows, L length, D width, C candidates, K outputs, N items, P rows with a history, M unique items, T tasks


class Shared(Crossing):
    """Items, backbone and a structure, and the objectives upon them.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        objectives: by name, which stands before their metrics: ``val/name/...``. One at most ranks.
        structure: state of the trunk -> that of each task.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied.
    """

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        objectives: Mapping[str, Ranks | Scores],
        structure: Structure,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
    ) -> None:
        super().__init__(items, backbone, optimizer, scheduler, tuning)
        self.objectives, self.structure = nn.ModuleDict(dict(objectives)), structure
        self.names = tuple(objectives)
        self.ranks = {name: part for name, part in objectives.items() if isinstance(part, Ranks)}
        self.scores = {name: part for name, part in objectives.items() if isinstance(part, Scores)}
        self.column = {name: number for number, name in enumerate(self.scores)}  # of the labels
        told = {name: part.label for name, part in self.scores.items() if part.feedback}
        self.feedback = nn.ModuleDict({name: Feedback(label, items.width) for name, label in told.items()})
        self.rankings: list[Ranking] = []
        self.predictions: dict[str, list[Predictions]] = {}
        self.gates: dict[str, Gates] = {}  # of the test, when it has ended
        self._gathered: dict[str, Tensor] | None = None  # sums over its rows
        self._table = (torch.empty(0),)  # of all items during an evaluation; in a tuple, so that it is no parameter

    @property
    def ranking(self) -> Any:
        """That of the objective that ranks; None where there is none."""
        return next((part.ranking for part in self.ranks.values()), None)

    def losses(self, batch: Batch) -> tuple[list[Tensor], list[int]]:
        """The mean loss of each objective over the rows that have its label, 0 without any, and their number."""
        assert batch.candidate is not None
        asks = next(iter(self.ranks.values()), None)
        rows = batch.history[:, 0] != PAD  # after nothing, nothing is ranked
        aim = batch.target[rows]  # (P,)
        negatives = None if asks is None else asks.loss.negatives(aim)
        parts = [batch.candidate, batch.history, aim, *([] if negatives is None else [negatives.items])]
        if asks is not None and negatives is None:
            table, places = self.items.table(), parts
            vectors = torch.cat([table[:1].detach(), table[1:]])  # (N + 1, D); the padding learns nothing
        else:
            asked = torch.cat([aim.new_zeros(1), *[part.flatten() for part in parts]])
            unique, place = distinct(asked)  # sorted, so the padding is row 0
            vectors = self.items.vectors(unique)  # (M, D)
            split = place[1:].split([part.numel() for part in parts])
            places = [found.view_as(part) for found, part in zip(split, parts, strict=True)]
        if negatives is not None:
            negatives = replace(negatives, items=places[3])
        states, scores = self._forward(batch, vectors, places[0], places[1])
        means, counts = list[Tensor](), list[int]()
        for number, name in enumerate(self.names):
            if name in self.ranks:
                count, state = len(aim), states[number][rows]
                mean = self.ranks[name](state, vectors, places[2], negatives) if count else state.new_zeros(())
            else:
                assert batch.label is not None
                mean, count = self.scores[name](scores[name], batch.label[..., self.column[name]])
            means.append(mean.float())
            counts.append(count)
        return means, counts

    def _forward(
        self, batch: Batch, vectors: Tensor, candidate: Tensor, history: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(T, B, D) states, and (B, C, K) scores by objective, from vectors and the rows of items among them."""
        past = nn.functional.embedding(history, vectors)  # (B, L, D)
        for name, part in self.feedback.items():
            assert batch.feedback is not None
            past = past + part(batch.feedback[..., self.column[name]])
        states = self.backbone.states(batch, past)
        trunk = batch.last(states)  # (B, D)
        if self._gathered is not None:
            self._gather(trunk)
        apart = self.structure(trunk)
        if not self.scores:
            return apart, {}
        offered, place = nn.functional.embedding(candidate, vectors), self.names.index
        alone: dict[str, Tensor] = {
            name: part.head(batch, apart[place(name)], past, offered).float() for name, part in self.scores.items()
        }
        return apart, {
            name: alone[name] if part.given is None else both(alone[part.given], alone[name])
            for name, part in self.scores.items()
        }

    def on_validation_epoch_start(self) -> None:
        """Encodes all items once."""
        self._table = (self.items.table(),)

    def on_test_epoch_start(self) -> None:
        """Encodes all items once."""
        self.rankings, self.predictions, self._gathered = [], {name: [] for name in self.scores}, {}
        self.on_validation_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures the validation rows."""
        self.measure(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures the test rows and keeps rankings and predictions."""
        ranking, predictions = self.measure(batch, "test")
        if ranking is not None:
            self.rankings.append(ranking)
        for name, found in predictions.items():
            self.predictions[name].append(found)

    def measure(self, batch: Batch, stage: Stage) -> tuple[Ranking | None, dict[str, Predictions]]:
        """Adds a batch to the metrics, after the items were encoded; gives what they were told."""
        assert batch.candidate is not None
        assert batch.label is not None
        (vectors,), ranking = self._table, None
        states, scores = self._forward(batch, vectors, batch.candidate, batch.history)
        predictions = {
            name: part.predictions(batch, scores[name], batch.label[..., self.column[name]])
            for name, part in self.scores.items()
        }
        for name, found in predictions.items():
            self.scores[name].measured.of(stage).update(found)
        for name, part in self.ranks.items():
            rows = batch.history[:, 0] != PAD
            if rows.any():
                queries = part.head.queries(states[self.names.index(name)][rows])
                ranking = part.ranking(_after_something(batch, rows), queries, part.head.keys(vectors))
                part.measured.of(stage).update(ranking)
        return ranking, predictions

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/...``."""
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/...``, and keeps the mean gates."""
        self._log_metrics("test")
        sums, self._gathered = self._gathered or {}, None
        rows = total(sums.pop("rows")) if sums else 1
        self.gates = {name: replace(self.gates[name], weight=(total(x) / rows).cpu()) for name, x in sums.items()}

    def _log_metrics(self, stage: Stage) -> None:
        self._table = (torch.empty(0),)
        for name in self.names:
            part = self.objectives[name]
            prefix = part.ranking.prefix if isinstance(part, Ranks) else ""
            found = part.measured.results(stage)  # type: ignore[union-attr, operator]
            # equal in every process already
            self.log_dict({f"{stage}/{name}/{prefix}{key}": x for key, x in found.items()}, rank_zero_only=False)

    def _gather(self, trunk: Tensor) -> None:
        assert self._gathered is not None
        self.gates = dict(self.structure.gates(trunk))
        found = {name: gates.weight.detach().double() * len(trunk) for name, gates in self.gates.items()}
        found["rows"] = torch.tensor(float(len(trunk)), device=trunk.device, dtype=torch.double)
        self._gathered = {name: self._gathered.get(name, 0) + x for name, x in found.items()}


def _after_something(batch: Batch, rows: Tensor) -> Batch:
    """Those rows that have a history; the others have seen nothing."""
    if rows.all():
        return batch
    assert batch.seen_offsets is not None
    offsets = torch.cat([batch.seen_offsets[:-1][rows], batch.seen_offsets[-1:]])
    few = Batch(batch.user[rows], batch.history[rows], batch.length[rows], batch.target[rows], batch.seen, offsets)
    if batch.time is not None and batch.target_time is not None:
        few.time, few.target_time = batch.time[rows], batch.target_time[rows]
    return few

"""Sequence recommendation: predict the next item at every position, rank the whole catalogue at the last one.

The crossing of the two roads: items -> backbone -> head -> loss in training, -> ranking -> metrics in evaluation.
Names no model: every part comes in ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from rec_lightning.contracts import (
    Backbone,
    Batch,
    Companion,
    Head,
    ItemEncoder,
    Loss,
    OptimizerFactory,
    Ranking,
    Regularizer,
    SchedulerFactory,
    Stage,
    Tuning,
)
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.crossing import Crossing, check_companion
from rec_lightning.tasks.distinct import distinct
from rec_lightning.tasks.processes import weight

# B batch, L length, D width, N items, P positions that count, M unique items


class SequenceTask(Crossing):
    """Next-item training and full ranking.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        head: states and vectors -> queries and keys.
        loss: queries, keys, targets -> scalar.
        ranking: queries and keys -> ranks and top k. One that offers ``without_lists`` is asked for ranks alone in
            validation, where every metric says ``reads_lists = False``.
        metrics: name -> metric over a ranking; their results are logged as ``val/...`` and ``test/...``.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        companion: an objective beside the loss; None for the loss alone.
        regularizer: an objective in the loss' place; None for the loss itself.

    Raises:
        ValueError: the companion does not go with the backbone.
    """

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        head: Head,
        loss: Loss,
        ranking: TopK,
        metrics: Mapping[str, Metric],
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        companion: Companion | None = None,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(items, backbone, optimizer, scheduler, tuning, regularizer)
        check_companion(companion, backbone)
        self.head, self.loss, self.ranking, self.companion = head, loss, ranking, companion
        # no groups: they would join metrics whose states happen to be equal after the first batch
        collection = MetricCollection(dict(metrics), compute_groups=False)
        self.val_metrics, self.test_metrics = collection.clone(), collection.clone()
        self.rankings: list[Ranking] = []
        bare = not any(getattr(metric, "reads_lists", True) for metric in metrics.values())
        self._val_ranking = ranking.without_lists() if bare and hasattr(ranking, "without_lists") else ranking
        # vectors and keys of all items during an evaluation; in a tuple, so that a table that is a parameter is not
        # registered a second time
        self._catalog: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss over the positions with a target, and the companion's part."""
        asked_for_all, batch = batch, self.pose(batch)
        counts = batch.target > 0  # (B, L)
        aim = batch.target[counts]  # (P,)
        negatives = self.loss.negatives(aim)
        if negatives is None:
            vectors, history, target = self.items.table(), batch.history, aim  # (N + 1, D)
        else:
            asked = [aim.new_zeros(1), aim, negatives.items.flatten(), batch.history.flatten()]
            unique, place = distinct(torch.cat(asked))  # sorted, so the padding is row 0
            vectors = self.items.vectors(unique)  # (M, D)
            _, target, drawn, history = place.split([len(part) for part in asked])
            history = history.view_as(batch.history)
            negatives = replace(negatives, items=drawn.view_as(negatives.items))

        def once(vectors: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
            queries = self.head.queries(self._asked_states(batch, history, vectors))  # (P, D)
            keys = self.head.keys(vectors)
            # of all items that the step knows
            return self.loss(queries, keys, target, negatives), lambda: (queries @ keys[1:].T).softmax(1)

        loss = self._objective(vectors, once)
        if self.companion is not None:
            # a mean over histories: a process counts in it by its rows, and in the loss by its positions
            share = weight(len(batch), loss.device) / weight(len(aim), loss.device)
            part = self.companion(replace(asked_for_all, history=history), vectors, self._after)
            loss = self._beside(loss, part, self.companion.weight * share, len(batch))
        return self._counted(loss, len(aim), len(batch))

    def pose(self, batch: Batch) -> Batch:
        """A training batch as the backbone is asked: its history and the targets that count."""
        return self.backbone.pose(batch)

    def _asked_states(self, batch: Batch, history: Tensor, vectors: Tensor) -> Tensor:
        # (B, L) rows of vectors -> (P, D); each group of rows only as long as its longest
        parts, rows = batch.parts(), replace(batch, history=history).parts()
        flat = nn.functional.embedding(torch.cat([part.history.flatten() for part in rows]), vectors)
        pieces = flat.split([part.history.numel() for part in rows])
        states = [
            self.backbone.states(part, piece.view(*part.history.shape, -1))[part.target > 0]
            for part, piece in zip(parts, pieces, strict=True)
        ]
        return torch.cat(states)

    def states(self, batch: Batch, vectors: Tensor) -> Tensor:
        """The state after each history: (B, D)."""
        return self._after(batch, nn.functional.embedding(batch.history, vectors))

    def _after(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        # (B, L, D) -> (B, D); one target a row, which is how a backbone is asked in evaluation
        if batch.target.ndim == 2:
            batch = replace(batch, target=batch.target[:, 0])
        return batch.last(self.backbone.states(batch, item_vectors))

    def on_validation_epoch_start(self) -> None:
        """Encodes the catalogue once."""
        vectors = self.items.table()
        self._catalog = vectors, self.head.keys(vectors)

    def on_test_epoch_start(self) -> None:
        """Encodes the catalogue once."""
        self.rankings = []
        self.on_validation_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Ranks the validation targets."""
        self.val_metrics.update(self._rank(batch, self._val_ranking))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Ranks the test targets and keeps the rankings."""
        ranking = self._rank(batch, self.ranking)
        self.test_metrics.update(ranking)
        self.rankings.append(ranking)

    def _rank(self, batch: Batch, ranking: TopK) -> Ranking:
        vectors, keys = self._catalog
        return ranking(batch, self.head.queries(self.states(batch, vectors)), keys)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/...``."""
        self._log_metrics("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/...``."""
        self._log_metrics("test", self.test_metrics)

    def _log_metrics(self, stage: Stage, metrics: MetricCollection) -> None:
        prefix = self.ranking.prefix
        values = {f"{stage}/{prefix}{key}": value.float() for key, value in metrics.compute().items()}
        # every process holds the same value already
        self.log_dict(values, prog_bar=False, rank_zero_only=False)
        metrics.reset()
        self._catalog = torch.empty(0), torch.empty(0)

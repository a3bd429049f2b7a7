"""Scoring: will this user like, buy, how many stars; from the history before, the item, and what is known of both.

The crossing of the two roads: items -> backbone -> head -> loss in training, -> predictions -> metrics in evaluation.
Names no model: every part comes in ready.

Where events carry a query that the items read, its vector is added to the state of the history, so that every head that
reads the state meets it: the sum of user and query of Q. Ai et al., "Learning a Hierarchical Embedding Model for
Personalized Product Search", SIGIR 2017, https://doi.org/10.1145/3077136.3080813. What differs: the user is the state
of any backbone, the query's vector comes from the encoder of the items' texts, and both count alike.

Relations: ``sequence`` ranks the whole catalogue; here one candidate, or a few, stand beside each history.
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
    ItemEncoder,
    Label,
    OptimizerFactory,
    Predictions,
    Regularizer,
    SchedulerFactory,
    ScoringHead,
    ScoringLoss,
    Stage,
    Tuning,
)
from rec_lightning.regularizers.perturb import reach, slope
from rec_lightning.tasks.crossing import Crossing, check_companion
from rec_lightning.tasks.distinct import distinct
from rec_lightning.tasks.feedback import Feedback

# B rows, L length, D width, C candidates, K outputs, N items, M scored candidates


class ScoringTask(Crossing):
    """Training and measuring by labelled candidates.

    Args:
        items: item indices -> vectors.
        backbone: vectors of a history -> states.
        head: state, history and candidates -> scores.
        loss: scores and labels -> scalar; says what scores mean.
        label: what is predicted.
        metrics: name -> metric over predictions; their results are logged as ``val/...`` and ``test/...``.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        feedback: whether the history says how its events were labelled.
        regularizer: an objective in the loss' place; None for the loss itself.
        companion: an objective over changed histories beside the loss; None for the loss alone. How their events were
            labelled stays out of it, since a change takes items from their events.

    Raises:
        ValueError: the companion does not go with the backbone or the items.
    """

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        head: ScoringHead,
        loss: ScoringLoss,
        label: Label,
        metrics: Mapping[str, Metric],
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        feedback: bool = True,
        regularizer: Regularizer | None = None,
        companion: Companion | None = None,
    ) -> None:
        _check_companion(companion, backbone, items)
        super().__init__(items, backbone, optimizer, scheduler, tuning, regularizer)
        self.binary = label.kind == "binary"
        self.head, self.loss, self.companion = head, loss, companion
        self.feedback = Feedback(label, items.width) if feedback and items.width else None
        self.tells, self.per_candidate = feedback, getattr(backbone, "per_candidate", False)
        self.searched = bool(getattr(items, "event_columns", ()))
        # all that read the same predictions keep them once
        alike = [name for name, metric in metrics.items() if hasattr(metric, "kinds")]
        collection = MetricCollection(dict(metrics), compute_groups=[alike, *([n] for n in metrics if n not in alike)])
        self.val_metrics, self.test_metrics = collection.clone(), collection.clone()
        for metric in self.val_metrics.values(copy_state=False):
            if hasattr(metric, "choosing"):
                metric.choosing = True
        self.predictions: list[Predictions] = []
        self._table = (torch.empty(0),)  # of all items during an evaluation; in a tuple, so that it is no parameter

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss over the candidates, and the companion's part."""
        assert batch.candidate is not None
        assert batch.label is not None
        asked = torch.cat([batch.candidate.flatten(), batch.history.flatten(), batch.history.new_zeros(1)])
        unique, place = distinct(asked)  # sorted, so the padding is row 0
        label, rows = batch.label, place[:-1]

        def once(vectors: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
            scores = self._scores(batch, vectors, rows).float()
            return self.loss(scores, label), lambda: self._said(scores)

        vectors = self.items.vectors(unique)
        loss = self._objective(vectors, once)
        if self.companion is not None:
            history = rows[batch.candidate.numel() :].view_as(batch.history)
            part = self.companion(replace(batch, history=history), vectors, self._after)
            # every history has as many candidates: both count alike
            loss = self._beside(loss, part, self.companion.weight, len(batch))
        return self._counted(loss, label.numel(), len(batch))

    def _after(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """The state after each history, (B, D), from the vectors of its items (B, L, D)."""
        return batch.last(self.backbone.states(replace(batch, feedback=None), item_vectors))

    def _said(self, scores: Tensor) -> Tensor:
        """(B, C, K) -> (B * C, K) probabilities, or (B * C,) numbers."""
        value = self.loss.predict(scores).flatten(0, 1)
        return torch.stack([1 - value, value], 1) if self.binary else value

    def _scores(self, batch: Batch, vectors: Tensor, place: Tensor) -> Tensor:
        """(B, C, K), from vectors and the rows of candidates and history among them."""
        assert batch.candidate is not None
        found = nn.functional.embedding(place, vectors)
        candidate, history = found.split([batch.candidate.numel(), batch.history.numel()])
        candidate, history = candidate.unflatten(0, batch.candidate.shape), history.unflatten(0, batch.history.shape)
        if self.feedback is not None:
            assert batch.feedback is not None
            history = history + self.feedback(batch.feedback)
        state = self.backbone.states(batch if self.tells else replace(batch, feedback=None), history)
        if not self.per_candidate:
            state = batch.last(state)  # (B, D)
        if self.searched:
            state = state + self.items.asked(batch.event)  # type: ignore[attr-defined]
        out: Tensor = self.head(batch, state, history, candidate)
        return out

    def on_validation_epoch_start(self) -> None:
        """Encodes all items once."""
        self._table = (self.items.table(),)

    def on_test_epoch_start(self) -> None:
        """Encodes all items once."""
        self.predictions = []
        self.on_validation_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Predicts the validation labels."""
        self.val_metrics.update(self.predict(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Predicts the test labels and keeps the predictions."""
        found = self.predict(batch)
        self.test_metrics.update(found)
        self.predictions.append(found)

    def attacked(self, batch: Batch, size: float) -> Predictions:
        """What it says where every item vector is moved against it by ``size`` of their mean length.

        Raises:
            ValueError: the head reads no item vectors.
        """
        assert batch.label is not None
        with torch.enable_grad():
            vectors = self._table[0].detach().clone().requires_grad_()
            loss = self.loss(self._scores(batch, vectors, self._place(batch)).float(), batch.label)
            moved = vectors + reach(vectors, size) * slope(loss, vectors, "attack")
        return self.predict(batch, moved.detach())

    @staticmethod
    def _place(batch: Batch) -> Tensor:
        assert batch.candidate is not None
        return torch.cat([batch.candidate.flatten(), batch.history.flatten()])

    def predict(self, batch: Batch, vectors: Tensor | None = None) -> Predictions:
        """What the model says of every candidate, after the items were encoded, or with these vectors of all items."""
        assert batch.candidate is not None
        assert batch.label is not None
        assert batch.event is not None
        table = self._table[0] if vectors is None else vectors
        value = self.loss.predict(self._scores(batch, table, self._place(batch)).float())  # (B, C) or (B, C, K)
        if not torch.isfinite(value).all():
            raise ValueError("predictions must be finite, and some are not. Lower optimizer.lr and train anew.")
        several = batch.candidate.shape[1]
        event, user = (x.repeat_interleave(several) for x in (batch.event, batch.user))
        return Predictions(event, user, batch.candidate.flatten(), batch.label.flatten(), value.flatten(0, 1))

    def worth(self, batch: Batch, vectors: Tensor) -> Tensor:
        """What each candidate is worth, for whoever orders them: (B, C) double, in which nearly certain ones differ.

        Args:
            batch: its candidates may be any items, and no label is read.
            vectors: (N + 1, D) of all items.
        """
        return self.loss.predict(self._scores(batch, vectors, self._place(batch)).double())

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/...``; what a metric chose on validation holds for the test."""
        self._log_metrics("val", self.val_metrics)
        for name, metric in self.val_metrics.items(copy_state=False):
            if hasattr(metric, "choosing"):
                self.test_metrics[name].threshold.copy_(metric.threshold)  # type: ignore[operator, arg-type]

    def on_test_epoch_end(self) -> None:
        """Logs ``test/...``."""
        self._log_metrics("test", self.test_metrics)

    def _log_metrics(self, stage: Stage, metrics: MetricCollection) -> None:
        self._table = (torch.empty(0),)
        values = {f"{stage}/{key}": value.to(torch.float32) for key, value in metrics.compute().items()}
        metrics.reset()
        # equal in every process already
        self.log_dict(values, rank_zero_only=False)


def _check_companion(companion: Companion | None, backbone: Backbone, items: ItemEncoder) -> None:
    if companion is None:
        return
    check_companion(companion, backbone)
    name = type(companion).__name__
    if getattr(backbone, "per_candidate", False) or not items.width:
        raise ValueError(
            f"companion={name} compares states of histories, and backbone={type(backbone).__name__} has none of its "
            "own. Set companion=none."
        )
    if getattr(companion, "reads_targets", False):
        raise ValueError(
            f"companion={name} pairs histories with the same next item, and scoring asks for none. Set "
            "companion=cl4srec or none."
        )

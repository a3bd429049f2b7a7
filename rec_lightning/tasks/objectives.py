"""The objectives of a multi-task training: what each predicts, with its head, its loss, its weight and its metrics.

A row that lacks a label counts for nothing in that objective. ``given`` makes the product of X. Ma et al., "Entire
Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate", SIGIR 2018,
https://arxiv.org/abs/1804.07931: a conversion needs a click, so its probability over all impressions is that of a click
times that of a conversion after one; both losses are taken over all rows. What differs: any loss over one
score of a binary label may stand there, as the product is handed on as a log odds.

Relations: ``multitask`` runs them over one trunk; ``sequence`` and ``scoring`` are tasks of one objective.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import (
    Batch,
    Catalog,
    Head,
    Label,
    Loss,
    Negatives,
    Predictions,
    ScoringHead,
    ScoringLoss,
)
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.measured import Measured

# B rows, L length, D width, C candidates, K outputs, P rows with a history, M unique items


class Ranks(nn.Module):
    """Which item comes next.

    Args:
        catalog: the items.
        head: states and vectors -> queries and keys.
        loss: queries, keys, targets -> scalar.
        ranking: queries and keys -> ranks and top k, ready or to be made with the catalogue.
        metrics: name -> metric over a ranking.
        weight: of the loss, at least 0; 0 measures and does not train.

    Raises:
        ValueError: a negative weight.
    """

    def __init__(
        self,
        catalog: Catalog,
        head: Head,
        loss: Loss,
        ranking: Any,
        metrics: Mapping[str, Any],
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.head, self.loss, self.weight = head, loss, _checked(weight)
        if catalog.size:  # else a rehearsal
            loss.prepare(catalog)
        self.ranking: TopK = ranking if hasattr(ranking, "prefix") else ranking(catalog=catalog)
        self.measured = Measured(metrics, catalog, alike=False)

    def forward(self, states: Tensor, vectors: Tensor, target: Tensor, negatives: Negatives | None) -> Tensor:
        """(P, D), (M, D), (P,) rows of the vectors -> the mean loss."""
        return self.loss(self.head.queries(states), self.head.keys(vectors), target, negatives)


class Scores(nn.Module):
    """What is said of an event.

    Args:
        catalog: for the head.
        label: what is predicted.
        head: called with the catalogue and the outputs: state, history and candidates -> scores.
        loss: scores and labels -> scalar; says what scores mean.
        metrics: name -> metric over predictions.
        weight: of the loss, at least 0; 0 measures and does not train.
        given: name of a binary objective without which this one cannot be, whose probability its own is
            multiplied by; null for none.
        feedback: whether the history says how its events were labelled.

    Raises:
        ValueError: a negative weight, a loss for labels of another kind, or ``given`` for a label that is not binary.
    """

    def __init__(
        self,
        catalog: Catalog,
        label: Label,
        head: Callable[..., ScoringHead],
        loss: ScoringLoss,
        metrics: Mapping[str, Any],
        weight: float = 1.0,
        given: str | None = None,
        feedback: bool = True,
    ) -> None:
        super().__init__()
        self.label, self.loss, self.weight = label, loss, _checked(weight)
        self.given, self.feedback = given, feedback
        if given is not None and label.kind != "binary":
            raise ValueError(
                f"given={given} multiplies probabilities, and label={type(label).__name__} is {label.kind}. Set given "
                "to null, or a binary label."
            )
        self.head = head(catalog=catalog, outputs=loss.prepare(label))
        self.measured = Measured(metrics, catalog, alike=True)

    def forward(self, scores: Tensor, label: Tensor) -> tuple[Tensor, int]:
        """(B, C, K) scores, (B, C) labels, NaN for none -> the mean loss over those with a label, and their number.

        The mean has no meaning where the number is 0.
        """
        known = ~label.isnan()
        rows = known.any(1)
        count = int(known.sum())
        if count == int(rows.sum()) * label.shape[1]:  # whole rows, so that candidates can be compared
            scores, label = scores[rows], label[rows]
        else:
            scores, label = scores[known].unsqueeze(1), label[known].unsqueeze(1)
        return (self.loss(scores, label) if count else scores.new_zeros(()), count)

    def predictions(self, batch: Batch, scores: Tensor, label: Tensor) -> Predictions:
        """(B, C, K), (B, C) -> what is said of every candidate with a label.

        Raises:
            ValueError: a value is no number.
        """
        assert batch.candidate is not None
        assert batch.event is not None
        value = self.loss.predict(scores).flatten(0, 1)
        if not torch.isfinite(value).all():
            raise ValueError("predictions must be finite, and some are not. Lower optimizer.lr and train anew.")
        event, user = (x.repeat_interleave(label.shape[1]) for x in (batch.event, batch.user))
        found = Predictions(event, user, batch.candidate.flatten(), label.flatten(), value)
        return found.take((~label.flatten().isnan()).nonzero().flatten())


def both(one: Tensor, two: Tensor) -> Tensor:
    """The log odds of two independent events together, from those of each.

    Example:
        >>> both(torch.tensor(0.0), torch.tensor(0.0)).sigmoid()
        tensor(0.2500)
    """
    log = F.logsigmoid(one) + F.logsigmoid(two)  # of the product of probabilities
    # log(1 - exp(log)), from the side on which nothing is lost; each side kept where its slope is finite
    near, far = torch.log(-torch.expm1(log.clamp(max=-1e-7))), torch.log1p(-log.clamp(max=-0.6931).exp())
    return log - torch.where(log > -0.6931, near, far)


def _checked(weight: float) -> float:
    if weight < 0:
        raise ValueError(f"weight must be at least 0, got {weight}. Set weight.")
    return weight

"""Autoencoders of users: the whole interaction vector in, with some items hidden, and the whole vector out.

Paper: D. Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
https://arxiv.org/abs/1802.05814: Mult-VAE, whose code is drawn from a normal distribution and held near the standard
one by ``beta`` times the Kullback-Leibler divergence, raised from 0 during training; and Mult-DAE without that. A beta
that is constant from the start (``anneal=0``) makes a beta-VAE (I. Higgins et al., ICLR 2017). What differs: a user's
vector is what fits into ``max_length``, the rest makes a vector of its own; what only training needs, the layer that
says how far the code spreads, belongs to this task, so that a backbone that is handed on holds nothing idle.

Relations: evaluates as ``sequence`` does; ``backbones/autoencoder`` are the layers.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric

from rec_lightning.contracts import (
    Backbone,
    Batch,
    Companion,
    Head,
    ItemEncoder,
    Loss,
    OptimizerFactory,
    SchedulerFactory,
    Tuning,
)
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.sequence import SequenceTask

# B users, L length, D width, K width of the code, N items


class AutoencoderTask(SequenceTask):
    """Training on interaction vectors, full ranking for users who may be new.

    Args:
        items: item indices -> vectors, the first layer.
        backbone: an autoencoder.
        head: states and vectors -> queries and keys.
        loss: one that takes whole sets.
        ranking, metrics, optimizer, scheduler, tuning: as in ``SequenceTask``.
        companion: none; it would change histories, and there is one state a user.
        beta: weight of the divergence at its height; 0 draws no code and needs no divergence.
        anneal: share of the run's steps in which beta rises from 0 to its height, in [0, 1].
        tied: scores by the item vectors that also read the input; false gives each item an output vector and a bias
            of its own, as in the paper.

    Raises:
        ValueError: a value out of range, or parts that do not go together.
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
        beta: float = 0.2,
        anneal: float = 0.5,
        tied: bool = False,
    ) -> None:
        _check(backbone, loss, companion, beta, anneal)
        own = head if tied else OwnOutputs(head, items.size, items.width)
        super().__init__(items, backbone, own, loss, ranking, metrics, optimizer, scheduler, tuning)
        self.beta, self.anneal = beta, anneal
        # says the logarithm of the code's variance
        self.spread = nn.Linear(items.width, backbone.latent) if beta else None  # type: ignore[attr-defined]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean over users of what their items cost, and of the divergence."""
        whole = interactions(batch)
        vectors = self.items.table()
        hidden = self.backbone.hidden(self.backbone.bag(whole, vectors))  # type: ignore[attr-defined]
        code = self.backbone.code(hidden)  # type: ignore[attr-defined]
        beside = None
        if self.spread is not None:
            code, divergence = drawn(code, self.spread(hidden))
            beside = self.beta * self._risen() * divergence.mean()
        queries = self.head.queries(self.backbone.decode(code))  # type: ignore[attr-defined]
        loss: Tensor = self.loss.of_sets(queries, self.head.keys(vectors), whole)  # type: ignore[attr-defined]
        if beside is not None:
            self.log("train/divergence", beside.detach(), batch_size=len(batch))
            loss = loss + beside
        return self._counted(loss, len(batch), len(batch))

    def _risen(self) -> float:
        steps = self.anneal * float(self.trainer.estimated_stepping_batches)
        return min(1.0, self.global_step / steps) if steps else 1.0

    def states(self, batch: Batch, vectors: Tensor) -> Tensor:
        """The state after each history, (B, D): the mean code, made once for rows of one history in a row."""
        same = (batch.history[1:] == batch.history[:-1]).all(1)
        first = torch.cat([same.new_ones(1), ~same]) if len(batch) else same.new_ones(0)
        bag = self.backbone.bag(batch.history[first], vectors)  # type: ignore[attr-defined]
        state: Tensor = self.backbone.decode(self.backbone.code(self.backbone.hidden(bag)))  # type: ignore[attr-defined]
        return state[first.cumsum(0) - 1]


class OwnOutputs(nn.Module):
    """A head whose items have vectors and biases of their own; only for scores over the whole catalogue.

    Args:
        head: what is done with states and vectors.
        size: N.
        width: D.
    """

    def __init__(self, head: Head, size: int, width: int) -> None:
        super().__init__()
        self.head, self.outputs, self.bias = head, nn.Embedding(size + 1, width), nn.Parameter(torch.zeros(size + 1))
        nn.init.xavier_normal_(self.outputs.weight)

    def queries(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., D + 1)."""
        return F.pad(self.head.queries(states), (0, 1), value=1.0)

    def keys(self, item_vectors: Tensor) -> Tensor:
        """(N + 1, D), of which only the number is read -> (N + 1, D + 1)."""
        assert len(item_vectors) == len(self.bias), "outputs of its own are those of the whole catalogue"
        return torch.cat([self.head.keys(self.outputs.weight), self.bias.unsqueeze(1)], 1)


def interactions(batch: Batch) -> Tensor:
    """(B, L + 1) all items of each window, its last target too, right-padded with 0."""
    row = torch.arange(len(batch), device=batch.length.device)
    whole = F.pad(batch.history, (0, 1))
    whole[row, batch.length] = batch.target[row, batch.length - 1]
    return whole


def drawn(mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """A code drawn from its normal distribution, and that distribution's divergence from the standard one.

    Args:
        mean: (B, K).
        log_variance: (B, K).

    Returns:
        (B, K) and (B,).
    """
    code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    return code, 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def _check(backbone: Backbone, loss: Loss, companion: Companion | None, beta: float, anneal: float) -> None:
    if beta < 0:
        raise ValueError(f"task.beta must be at least 0, got {beta}. Set task.beta.")
    if not 0 <= anneal <= 1:
        raise ValueError(f"task.anneal must be in [0, 1], got {anneal}. Set task.anneal.")
    if anneal and not beta:
        raise ValueError(f"task.anneal raises task.beta, which is 0, so {anneal} has no effect. Set task.anneal=0.")
    for part, fitting, needed in ((backbone, "backbone=autoencoder", "bag"), (loss, "loss=multinomial", "of_sets")):
        if not hasattr(part, needed):
            raise ValueError(
                f"this task reads whole interaction vectors and needs {fitting}, got {type(part).__name__}. "
                f"Set {fitting}, or task=sequence."
            )
    if companion is not None:
        raise ValueError(
            f"companion={type(companion).__name__} compares histories, and this task reads whole interaction vectors. "
            "Set companion=none."
        )
    if beta and backbone.latent is None:  # type: ignore[attr-defined]
        raise ValueError(f"task.beta={beta} needs a code to spread, and backbone.latent is null. Set one of both.")

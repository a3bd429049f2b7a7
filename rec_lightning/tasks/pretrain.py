"""Behaviour pretraining: next items from histories with holes, or with mistakes.

``masked``: some items are hidden, and those are what is asked for, as in BERT4Rec (F. Sun et al., CIKM 2019,
https://arxiv.org/abs/1904.06690) and S3-Rec's masked item prediction (K. Zhou et al., CIKM 2020,
https://arxiv.org/abs/2008.07873). ``denoising``: some items are hidden or another item stands there, and every next
item is asked for, after denoising autoencoders (P. Vincent et al., ICML 2008). What differs: the state that is asked
lies before the target, so that any backbone will do; one that sees to the left only fills a hole from its left side. A
hidden item is a vector of zeros.

Relations: ``sequence`` is the objective of the next item; with a companion at full weight it is contrastive
(``task=pretrain_contrastive``); ``pretrain_text`` reads texts; ``autoencoder`` whole interaction vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
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

# B batch, L length


class PretrainTask(SequenceTask):
    """Next items from histories that were changed.

    Args:
        items, backbone, head, loss, ranking, metrics, optimizer, scheduler, tuning, companion: as in
            ``SequenceTask``; a companion reads the history as it is.
        objective: ``masked`` or ``denoising``.
        share: of the history that is changed, in (0, 1).

    Raises:
        ValueError: a share out of range, or a backbone that masks by itself.
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
        objective: Literal["masked", "denoising"] = "masked",
        share: float = 0.2,
    ) -> None:
        if not 0 < share < 1:
            raise ValueError(f"task.share must be between 0 and 1, both excluded, got {share}. Set task.share.")
        if hasattr(backbone, "masked"):
            raise ValueError(
                f"backbone={type(backbone).__name__} masks items by itself, so task.objective={objective} would hide "
                "them twice. Set task=sequence."
            )
        super().__init__(items, backbone, head, loss, ranking, metrics, optimizer, scheduler, tuning, companion)
        self.objective, self.share = objective, share

    def pose(self, batch: Batch) -> Batch:
        """The changed history, and the targets that are asked for."""
        real = batch.history > 0
        touched = real & (torch.rand(real.shape, device=real.device) < self.share)
        if self.objective == "masked":
            changed = replace(batch, history=batch.history.masked_fill(touched, 0), target=asked(batch, touched))
        else:
            another = torch.randint_like(batch.history, 1, self.items.size + 1)
            hidden = torch.rand(real.shape, device=real.device) < 0.5
            wrong = torch.where(hidden, 0, another)
            changed = replace(batch, history=torch.where(touched, wrong, batch.history))
        return self.backbone.pose(changed)


def asked(batch: Batch, hidden: Tensor) -> Tensor:
    """Targets whose item is hidden in the history, and each row's last one: (B, L), 0 elsewhere.

    Args:
        batch: of training.
        hidden: (B, L) which items of the history are.
    """
    follows = torch.nn.functional.pad(hidden[:, 1:], (0, 1))  # of place t: whether that at t + 1 is hidden
    row = torch.arange(len(batch), device=batch.length.device)
    follows[row, batch.length - 1] = True
    return torch.where(follows, batch.target, 0)

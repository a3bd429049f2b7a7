"""Gradual unfreezing: the topmost layers train first, and one more joins every few epochs.

Paper: J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018,
https://arxiv.org/abs/1801.06146. What differs: a last norm counts to the topmost layer, embeddings join last.
All parameters belong to the optimizer and to the checkpoint from the start; those whose time has not come are frozen
during a step only, so they get no gradient, keep their value, and what they compute is taken from the cache.
Several processes must be told (``strategy=ddp strategy.find_unused=true``); anything else is refused.
Relations: ``top_layers`` never lets more train, ``full`` all from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import INSIDE, check_positive, heights


class GradualUnfreezing:
    """Trains ``start`` layers at first and one more after every ``epochs`` epochs.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        start: layers that train from the first step; at least 1.
        epochs: between two layers; at least 1.
        lr_factor: learning rate inside a pretrained trunk relative to the optimizer's; positive; null for 0.05. A new
            trunk trains at the optimizer's rate, so where there is no other it must be null.

    Raises:
        ValueError: a value out of range.
    """

    trains_later = True  # a step may leave out what the optimizer has

    def __init__(
        self, target: Target = "items", start: int = 1, epochs: int = 1, lr_factor: float | None = None
    ) -> None:
        check_positive({"start": start, "epochs": epochs, "lr_factor": lr_factor})
        self.target: Target = target
        self.start, self.epochs = start, epochs
        self.asked_rate, self.lr_factor = lr_factor, INSIDE if lr_factor is None else lr_factor
        self._tuned: list[tuple[nn.Module, Mapping[str, int]]] = []

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Marks all parameters as trained.

        Raises:
            ValueError: the trunk has no numbered layers, or no more than train from the start.
        """
        height = heights(trunk, "gradual_unfreezing", name)
        if self.start >= max(height.values()):
            raise ValueError(
                f"tuning.start must be below {max(height.values())}, the layers of {name}, got {self.start}. "
                "Set tuning.start, or tuning=full."
            )
        self._tuned.append((trunk, height))
        return trunk.requires_grad_(True)

    def callbacks(self) -> list[Callback]:
        """What the training loop has to call."""
        return [Thawing(self._tuned, self.start, self.epochs)]

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk


class Thawing(Callback):
    """Freezes during a step what is not yet to train."""

    def __init__(self, tuned: Sequence[tuple[nn.Module, Mapping[str, int]]], start: int, epochs: int) -> None:
        self.tuned, self.start, self.epochs = tuned, start, epochs

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Before the forward pass."""
        for trunk, height in self.tuned:
            frozen = max(height.values()) - self.start - trainer.current_epoch // self.epochs
            for name, parameter in trunk.named_parameters():
                parameter.requires_grad_(height[name] > frozen)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the optimizer's step, which leaves alone what has no gradient, and before any checkpoint."""
        for trunk, _ in self.tuned:
            trunk.requires_grad_(True)

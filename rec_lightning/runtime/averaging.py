"""Averages of the trained weights, which are evaluated and kept in their place: exponential (EMA) or over the last part
of a run (SWA).

Papers: B. T. Polyak and A. B. Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on
Control and Optimization 1992; P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
UAI 2018, https://arxiv.org/abs/1803.05407.
Own code: Lightning's callback copies the frozen weights too, and takes the average out again before the best epoch
is saved. Here only what trains has a second copy, and it stays in from the start of a validation to the next step, so
that the best checkpoint and early stopping see what was measured. Buffers are not averaged.

Relations: ``schedule_free`` keeps an average inside the optimizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import Parameter


class Averaging(Callback, ABC):
    """Holds the weights that are not in the model: the average during a step, the running ones during evaluation."""

    def __init__(self) -> None:
        self._other: dict[str, Tensor] = {}
        self._inside, self._count, self._step = False, 0, 0

    @abstractmethod
    def share(self, count: int, done: float) -> float | None:
        """What the newest weights add to the average; None leaves it as it is.

        Args:
            count: weights averaged so far.
            done: share of the run's steps that are done, in (0, 1].
        """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts from the weights there are, or goes on."""
        trained = {name: p for name, p in pl_module.named_parameters() if p.requires_grad}
        self._other = {name: self._other.get(name, p).detach().to(p, copy=True) for name, p in trained.items()}
        self._step = trainer.global_step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Puts the running weights back."""
        self._exchange(pl_module, False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Averages, once a step of the optimizer."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            share = self.share(self._count, self._step / trainer.estimated_stepping_batches)
            if share is not None:
                self._count += 1
                torch._foreach_lerp_(list(self._other.values()), [p.data for p in self._trained(pl_module)], share)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the average in, as soon as there is one, while a model is fitted."""
        if trainer.state.fn == "fit" and self._count:
            self._exchange(pl_module, True)

    def _trained(self, module: LightningModule) -> list[Parameter]:
        return [module.get_parameter(name) for name in self._other]

    def _exchange(self, module: LightningModule, inside: bool) -> None:
        if inside != self._inside:
            for parameter, other in zip(self._trained(module), self._other.values(), strict=True):
                kept = parameter.data.clone()
                parameter.data.copy_(other)
                other.copy_(kept)
            self._inside = inside

    def state_dict(self) -> dict[str, Any]:
        """The weights that are not in the model, and which those are."""
        return {"other": self._other, "inside": self._inside, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what ``state_dict`` gave."""
        self._other, self._inside, self._count = (state_dict[key] for key in ("other", "inside", "count"))


class Ema(Averaging):
    """An exponential moving average over the steps; over all of them, while there are few.

    Args:
        decay: what the average keeps at a step, in (0, 1).

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ValueError(f"callbacks.ema.decay must be in (0, 1), got {decay}. Set callbacks.ema.decay.")
        self.decay = decay

    def share(self, count: int, done: float) -> float:
        """At least ``1 - decay``, and more over the first steps."""
        return 1 - min(self.decay, count / (count + 10))


class Swa(Averaging):
    """The mean of the weights after each step of the last part of a run; before that, nothing changes.

    Args:
        start: share of the steps before it begins, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, start: float = 0.75) -> None:
        super().__init__()
        if not 0 <= start < 1:
            raise ValueError(f"callbacks.swa.start must be in [0, 1), got {start}. Set callbacks.swa.start.")
        self.start = start

    def share(self, count: int, done: float) -> float | None:
        """One part of ``count + 1``."""
        return 1 / (count + 1) if done > self.start else None

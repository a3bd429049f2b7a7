"""The budget of AdaLoRA, driven from the training loop.

After each backward pass the gradient of the orthogonality term joins the others; after each step ``peft`` notes how
important each singular value was, and cuts when it is time. The averages are part of the resume point.
Under float16 with loss scaling the term would count too little; bfloat16 and float32 have no scaling.

Relations: ``adalora`` is the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from peft.tuners.adalora import AdaLoraModel
from torch import Tensor

ORTHOGONALITY = 0.5  # weight of the term, as in the official code
_AVERAGES = ("exp_avg_ipt", "exp_avg_unc")


class Allocation(Callback):
    """Calls ``update_and_allocate`` once a step.

    Args:
        tuned: one model a trunk.
        warmup: share of the steps before anything is cut.
        settle: share of the steps after the last cut.
    """

    def __init__(self, tuned: Sequence[AdaLoraModel], warmup: float, settle: float) -> None:
        self.tuned, self.warmup, self.settle = tuned, warmup, settle
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fits the phases to the length of the run.

        Raises:
            ValueError: the run is too short to cut anything.
        """
        total = int(trainer.estimated_stepping_batches)
        first, last = int(self.warmup * total), total - int(self.settle * total)
        if last - first < 2:
            raise ValueError(
                f"tuning=adalora needs at least two steps between warmup and settle, got {last - first} in a run of "
                f"{total} steps. Set tuning.warmup, tuning.settle or trainer.max_epochs, or tuning=lora."
            )
        for model in self.tuned:
            config: Any = model.peft_config["default"]
            config.total_step, config.tinit, config.tfinal = total, first, total - last
        self._step = trainer.global_step

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the gradient of the orthogonality term; apart from the loss, so that no process sums it twice."""
        named = [pair for model in self.tuned for pair in model.named_parameters()]
        rows, columns = ([p for n, p in named if f".lora_{x}." in n] for x in "AB")
        skewness = [_skewness(p) for p in rows] + [_skewness(p.T) for p in columns]
        gradients = torch.autograd.grad(ORTHOGONALITY * torch.stack(skewness).mean(), [*rows, *columns])
        for parameter, gradient in zip([*rows, *columns], gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes and cuts, once a step of the optimizer."""
        if trainer.global_step > self._step:
            self._step = trainer.global_step
            for model in self.tuned:
                model.update_and_allocate(self._step)  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """Averages of importance, and what was cut for good."""
        averages = [{key: dict(getattr(m.rankallocator, key)) for key in _AVERAGES} for m in self.tuned]
        configs: list[Any] = [m.peft_config["default"] for m in self.tuned]
        return {"averages": averages, "patterns": [config.rank_pattern for config in configs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what ``state_dict`` gave."""
        for model, averages, pattern in zip(self.tuned, state_dict["averages"], state_dict["patterns"], strict=True):
            config: Any = model.peft_config["default"]
            config.rank_pattern = pattern
            allocator = model.rankallocator
            for key in _AVERAGES:
                setattr(allocator, key, dict(averages[key]))
            allocator.ipt = {name: torch.zeros_like(mean) for name, mean in averages[_AVERAGES[0]].items()}


def _skewness(factor: Tensor) -> Tensor:
    # how far the rows are from orthonormal
    one = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    out: Tensor = torch.linalg.matrix_norm(factor @ factor.T - one)
    return out

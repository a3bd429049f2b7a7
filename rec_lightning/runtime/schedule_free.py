"""Schedule-free AdamW: an average inside the optimizer takes the place of a falling learning rate.

Paper: A. Defazio et al., "The Road Less Scheduled", NeurIPS 2024, https://arxiv.org/abs/2405.15682. A thin adapter to
the package of its authors, whose optimizer has two modes: the weights a gradient is taken at, and the averaged ones
that are evaluated and saved. ``OptimizerModes`` switches between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer


def schedule_free(
    params: Iterable[dict[str, Any]],
    lr: float = 2.5e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
) -> Optimizer:
    """AdamW without a schedule; a warm-up helps, a falling rate does not.

    Raises:
        ValueError: the package is not installed, or a value is out of range.
    """
    if lr <= 0:
        raise ValueError(f"optimizer.lr must be positive, got {lr}. Set optimizer.lr.")
    try:
        from schedulefree import AdamWScheduleFree
    except ModuleNotFoundError as error:
        raise ValueError(
            "optimizer=schedule_free needs the package schedulefree, which is not installed. "
            "Install rec_lightning[schedule_free], or choose optimizer=adamw."
        ) from error
    made: Optimizer = AdamWScheduleFree(list(params), lr=lr, betas=tuple(betas), weight_decay=weight_decay)
    return made


class OptimizerModes(Callback):
    """Puts an optimizer that has modes into ``eval`` from the start of a validation to the next step.

    The best checkpoint and a resume point after validation so hold what was measured; the mode is part of the
    optimizer's state.
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The weights a gradient is taken at."""
        for optimizer in trainer.optimizers:
            getattr(optimizer, "train", _nothing)()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The averaged weights, while a model is fitted."""
        if trainer.state.fn == "fit":
            for optimizer in trainer.optimizers:
                getattr(optimizer, "eval", _nothing)()


def _nothing() -> None:
    return

"""Ranges of options that no part of ours judges: those of Lightning's trainer and of optimizers, and of the run itself.

Other packages take many a wrong number without a word (a trainer that shall clip gradients at -1 does not clip at all),
fail in the middle of the work, or refuse it without the option's name.

Relations: ``check`` binds names and types; a part of ours judges its own values itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rec_lightning.runtime.overrides import shown


@dataclass(frozen=True)
class Range:
    """Numbers between two ends.

    Args:
        low: the lower end.
        high: the upper end.
        low_in: whether the lower end is one of them; the upper end never is.
        null: what null stands for, where that is another choice.

    Example:
        >>> str(Range(0, 1)), str(Range(1)), str(Range(0, low_in=False, null="none"))
        ('in [0, 1)', 'at least 1', 'positive, or null for none')
        >>> 0 in Range(0), 0 in Range(0, low_in=False), float("nan") in Range(0), math.inf in Range(0)
        (True, False, False, False)
    """

    low: float
    high: float = math.inf
    low_in: bool = True
    null: str = ""

    def __contains__(self, value: float) -> bool:
        return (self.low <= value if self.low_in else self.low < value) and value < self.high

    def __str__(self) -> str:
        told = f"at least {self.low}" if self.low_in else "positive"
        if self.high < math.inf:
            told = f"in {'[' if self.low_in else '('}{self.low}, {self.high})"
        return f"{told}, or null for {self.null}" if self.null else told


_POSITIVE, _SHARE = Range(0, low_in=False), Range(0, 1)
# an option that is null or not there is not judged, and of a list each number is
RANGES = {
    "seed": Range(0, 2**32),
    "width": Range(1),
    "optimizer.lr": _POSITIVE,
    "optimizer.weight_decay": Range(0),
    "optimizer.betas": _SHARE,
    "optimizer.momentum": _SHARE,
    "optimizer.eps": _POSITIVE,
    "trainer.max_epochs": Range(-1),
    "trainer.max_steps": Range(-1),
    "trainer.accumulate_grad_batches": Range(1),
    "trainer.check_val_every_n_epoch": Range(1),
    "trainer.gradient_clip_val": Range(0, low_in=False, null="no clipping"),
    "trainer.log_every_n_steps": Range(0),
    "trainer.num_sanity_val_steps": Range(-1),
    "trainer.fast_dev_run": Range(0),
    "trainer.limit_train_batches": _POSITIVE,
    "trainer.limit_val_batches": _POSITIVE,
    "trainer.limit_test_batches": _POSITIVE,
    "callbacks.early_stopping.patience": Range(0),
    "callbacks.early_stopping.min_delta": Range(0),
}


def check_ranges(config: DictConfig) -> None:
    """Judges the options of ``RANGES``, and whether the training ends and is validated.

    Args:
        config: resolved, of any verb; what is no number is left to ``check``.

    Raises:
        ValueError: a value out of range, or options of the trainer that do not go together.
    """
    for path, allowed in RANGES.items():
        value = OmegaConf.select(config, path)
        for number in value if OmegaConf.is_list(value) else [value]:
            if isinstance(number, int | float) and number not in allowed:
                told = f"hold numbers {allowed}" if OmegaConf.is_list(value) else f"be {allowed}"
                raise ValueError(f"{path} must {told}, got {shown(number)}. Set {path}.")
    if "trainer" in config:
        _check_end(config.trainer)


def _check_end(trainer: Any) -> None:
    epochs, every = trainer.get("max_epochs"), trainer.get("check_val_every_n_epoch")
    if epochs in (None, -1) and trainer.get("max_steps") in (None, -1):
        raise ValueError(
            f"a training must have an end, and trainer.max_epochs is {shown(epochs)}. Set trainer.max_epochs, or "
            "+trainer.max_steps beside it."
        )
    if every is not None and epochs is not None and 0 < epochs < every:
        raise ValueError(
            f"trainer.check_val_every_n_epoch must be at most trainer.max_epochs ({epochs}), else no epoch is "
            f"validated, got {every}. Set one of them."
        )

"""Full fine-tuning: everything in the trunk trains. The costliest method and the yardstick of the others.

Relations: ``frozen`` trains nothing of it, ``lora`` a low-rank update beside it.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import INSIDE, check_positive


class Full:
    """Trains every parameter of the trunk.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        lr_factor: learning rate inside a pretrained trunk relative to the optimizer's; positive; null for 0.05. A new
            trunk trains at the optimizer's rate, so where there is no other it must be null.
    """

    def __init__(self, target: Target = "items", lr_factor: float | None = None) -> None:
        check_positive({"lr_factor": lr_factor})
        self.target: Target = target
        self.asked_rate, self.lr_factor = lr_factor, INSIDE if lr_factor is None else lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Marks all parameters as trained.

        Raises:
            ValueError: there is none.
        """
        if not any(True for _ in trunk.parameters()):
            raise ValueError(f"tuning=full found no parameter in {name}. Set tuning.target.")
        return trunk.requires_grad_(True)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

"""Full fine-tuning: everything in the trunk trains. The costliest method and the yardstick of the others.

Relations: ``frozen`` trains nothing of it, ``lora`` a low-rank update beside it.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target


class Full:
    """Trains every parameter of the trunk.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        lr_factor: learning rate inside a pretrained trunk relative to the optimizer's; positive.
    """

    def __init__(self, target: Target = "items", lr_factor: float = 0.05) -> None:
        if lr_factor <= 0:
            raise ValueError(f"tuning.lr_factor must be positive, got {lr_factor}. Set tuning.lr_factor.")
        self.target: Target = target
        self.lr_factor = lr_factor

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

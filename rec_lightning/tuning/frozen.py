"""Frozen: a pretrained trunk is used as it is, and only what is new around it trains (a probe).

Relations: ``full`` trains all of it. A frozen encoder is run once ever; its outputs are cached on disk.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target


class Frozen:
    """Trains nothing of the trunk.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
    """

    lr_factor = 1.0
    takes_few_bits = True

    def __init__(self, target: Target = "items") -> None:
        self.target: Target = target

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Freezes all parameters.

        Raises:
            ValueError: the trunk is not pretrained, so it would stay at its random start.
        """
        if not pretrained:
            raise ValueError(
                f"tuning=frozen would keep {name} at its random initial values: nothing in it was learnt before. "
                "Set tuning=full, or choose pretrained items (items=text)."
            )
        return trunk.requires_grad_(False)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

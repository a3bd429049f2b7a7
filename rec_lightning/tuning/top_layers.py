"""Top layers: the topmost layers train in full, all below stays frozen.

Paper: J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018,
https://arxiv.org/abs/1801.06146, holds lower layers back for a while; here they stay back, so what lies below is
encoded once ever. A last norm above the layers counts to the topmost one.
Relations: ``full`` is all layers, ``frozen`` none, ``gradual_unfreezing`` lets more train as time goes on.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import INSIDE, check_positive, heights


class TopLayers:
    """Trains the topmost layers of the trunk.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        layers: how many; at least 1.
        lr_factor: learning rate inside a pretrained trunk relative to the optimizer's; positive; null for 0.05. A new
            trunk trains at the optimizer's rate, so where there is no other it must be null.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, target: Target = "items", layers: int = 2, lr_factor: float | None = None) -> None:
        check_positive({"layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.layers = layers
        self.asked_rate, self.lr_factor = lr_factor, INSIDE if lr_factor is None else lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Marks what trains.

        Raises:
            ValueError: the trunk has fewer layers, or none.
        """
        height = heights(trunk, "top_layers", name)
        top = max(height.values())
        if self.layers > top:
            raise ValueError(
                f"tuning.layers must be 1..{top}, the layers of {name}, got {self.layers}. Set tuning.layers."
            )
        for place, parameter in trunk.named_parameters():
            parameter.requires_grad_(height[place] > top - self.layers)
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

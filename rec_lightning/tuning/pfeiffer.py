"""Pfeiffer adapters: a bottleneck after the feed-forward part of each layer.

Paper: J. Pfeiffer et al., "AdapterFusion: Non-Destructive Task Composition for Transfer Learning", EACL 2021,
https://arxiv.org/abs/2005.00247. What differs: GELU between; the up projection starts at zero; the bottleneck comes
right after the last linear layer, before the dropout, the residual and the norm.
Relations: ``houlsby`` has one more after the attention, ``parallel`` puts it beside.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.bottleneck import After, ends
from rec_lightning.tuning.layers import check_positive


class Pfeiffer:
    """Freezes the trunk and adds bottlenecks after the feed-forward part.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        width: of the bottleneck; at least 1.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the adapters relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    foldable = False

    def __init__(
        self, target: Target = "items", width: int = 16, layers: int | None = None, lr_factor: float = 1.0
    ) -> None:
        check_positive({"width": width, "layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.width, self.layers, self.lr_factor = width, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Puts the adapters in place.

        Raises:
            ValueError: no such layer is known by name, or the trunk has fewer layers than asked for.
        """
        places = ends(trunk, "pfeiffer", name, self.layers, attention=False, ffn=True)
        trunk.requires_grad_(False)
        for place in places:
            trunk.set_submodule(place, After(trunk.get_submodule(place), self.width))
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the adapters, which no weight can take up: same outputs, not from plain layers."""
        return trunk

"""Parallel adapters: a scaled bottleneck beside the feed-forward part of each layer.

Paper: J. He et al., "Towards a Unified View of Parameter-Efficient Transfer Learning", ICLR 2022,
https://arxiv.org/abs/2110.04366. What differs: GELU between, and the scale is fixed, as in their best variant.
Relations: ``pfeiffer`` puts it after; ``lora`` is the same idea without a function between, so that it folds.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.bottleneck import Around, Bottleneck, beginning, ends, sizes
from rec_lightning.tuning.layers import check_positive


class Parallel:
    """Freezes the trunk and adds ``scale * bottleneck(x)`` to the output of its feed-forward parts.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        width: of the bottleneck; at least 1.
        scale: of its output; positive.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the adapters relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    foldable = False

    def __init__(
        self,
        target: Target = "items",
        width: int = 16,
        scale: float = 4.0,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"width": width, "scale": scale, "layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.width, self.scale, self.layers, self.lr_factor = width, scale, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Puts the adapters in place.

        Raises:
            ValueError: no such layer is known by name, or the trunk has fewer layers than asked for.
        """
        pairs = {end: beginning(trunk, end) for end in ends(trunk, "parallel", name, self.layers, False, ffn=True)}
        trunk.requires_grad_(False)
        for end, begin in pairs.items():
            if begin is None:
                raise ValueError(
                    f"tuning=parallel needs both ends of a feed-forward part, and {name} has no beginning that it "
                    f"knows by name for {end}. Set tuning=pfeiffer."
                )
            first = Remembering(trunk.get_submodule(begin))
            trunk.set_submodule(begin, first)
            trunk.set_submodule(end, Beside(trunk.get_submodule(end), first, self.width, self.scale))
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the adapters, which no weight can take up: same outputs, not from plain layers."""
        return trunk


class Remembering(Around):
    """A linear layer that keeps its input until it is asked for it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(layer)
        self._seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        self._seen = [x]
        out: Tensor = self.layer(x)
        return out

    def seen(self) -> Tensor:
        """The last input, given out once."""
        return self._seen.pop()


class Beside(Around):
    """The last layer of a feed-forward part, and a bottleneck over what its first one saw."""

    def __init__(self, layer: nn.Module, first: Remembering, width: int, scale: float) -> None:
        super().__init__(layer)
        self.adapter = Bottleneck(sizes(first.layer)[0], width, sizes(layer)[1], self.weight)
        self._first = (first,)  # in a tuple, so that it is not registered a second time
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """(..., inner) -> (..., out)."""
        out: Tensor = self.layer(x) + self.scale * self.adapter(self._first[0].seen())
        return out

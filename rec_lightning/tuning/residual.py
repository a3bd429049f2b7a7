"""Low-rank factors that start from the weight itself, without touching the weight.

``W + s * (B @ A - B0 @ A0)``, where ``B0, A0`` are the factors at the start. They are buffers, so a lean checkpoint
holds them and fits any copy of the base model, however its processor rounds a decomposition.

Relations: ``pissa`` and ``olora`` differ only in the factors they start from.
"""

from __future__ import annotations

from typing import Any

from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from rec_lightning.tuning.adapters import folded, inject


class Less(nn.Module):
    """A linear layer without what its factors said at the start."""

    b: Tensor
    a: Tensor

    def __init__(self, base_layer: nn.Module, b: Tensor, a: Tensor, scale: float) -> None:
        super().__init__()
        self.base_layer = base_layer  # peft looks for the weight under this name
        self.b, self.a, self.scale = nn.Buffer(b), nn.Buffer(a), scale

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        out: Tensor = self.base_layer(x)
        return out - self.scale * (x @ self.a.T @ self.b.T)


def inject_from_weights(config: LoraConfig, trunk: nn.Module) -> nn.Module:
    """Lets ``peft`` find the factors, then gives the layers their weights back, less the factors of the start."""
    touched = config.target_modules or ()
    weights = {n: trunk.get_submodule(n).get_parameter("weight").detach().clone() for n in touched}
    inject(config, trunk)
    for name, weight in weights.items():
        layer: Any = trunk.get_submodule(name)
        base = layer.get_base_layer()
        base.weight.data = weight
        b, a = (factor["default"].weight.detach().clone() for factor in (layer.lora_B, layer.lora_A))
        layer.base_layer = Less(base, b, a, layer.scaling["default"])
    return trunk


def folded_back(trunk: nn.Module) -> nn.Module:
    """The trunk with plain layers again; same outputs up to rounding."""
    for layer in trunk.modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.base_layer, Less):
            less, plain = layer.base_layer, layer.base_layer.base_layer
            start = less.scale * less.b @ less.a
            plain.get_parameter("weight").data -= start.T if isinstance(plain, Conv1D) else start
            layer.base_layer = plain
    return folded(trunk)


def check_rank(rank: int, trunk: nn.Module, matched: list[str]) -> None:
    """A decomposition has no more directions than the weight.

    Raises:
        ValueError: a layer is narrower than ``rank``.
    """
    for name in matched:
        most = min(trunk.get_submodule(name).get_parameter("weight").shape)
        if rank > most:
            raise ValueError(f"tuning.rank must be 1..{most}, the width of {name}, got {rank}. Set tuning.rank.")

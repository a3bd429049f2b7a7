"""Low-rank factors that start from the weight itself, without touching the weight.

``W + s * (B @ A - B0 @ A0)``, where ``B0, A0`` are the factors at the start. They are buffers, so a lean checkpoint
holds them and fits any copy of the base model, however its processor rounds a decomposition.

Relations: ``pissa`` and ``olora`` differ only in the factors they start from.
"""

from __future__ import annotations

from typing import Any

from peft import LoraConfig
from torch import nn

from rec_lightning.tuning.adapters import Less, inject


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


def check_rank(rank: int, trunk: nn.Module, matched: list[str]) -> None:
    """A decomposition has no more directions than the weight.

    Raises:
        ValueError: a layer is narrower than ``rank``.
    """
    for name in matched:
        most = min(trunk.get_submodule(name).get_parameter("weight").shape)
        if rank > most:
            raise ValueError(f"tuning.rank must be 1..{most}, the width of {name}, got {rank}. Set tuning.rank.")

"""Adapters of ``peft`` inside a trunk: put in place, so that the names of all other modules stay, and folded again.

Relations: ``layers`` finds where they go; ``lora`` and all its relatives use both; ``residual`` makes the ``Less``.
"""

from __future__ import annotations

from peft import PeftConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


def inject(config: PeftConfig, trunk: nn.Module) -> nn.Module:
    """Freezes the trunk and puts an adapter into the layers that ``config`` names."""
    trunk.requires_grad_(False)
    inject_adapter_in_model(config, trunk)
    return trunk


def transposed(trunk: nn.Module, matched: list[str]) -> bool:
    """Whether the layers keep their weights as (in, out), as those of GPT-2 do."""
    return all(isinstance(trunk.get_submodule(n), Conv1D) for n in matched)


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

    def fold(self) -> None:
        """Takes the start out of the weight."""
        start = self.scale * self.b @ self.a
        weight = self.base_layer.get_parameter("weight").data
        weight -= start.T if isinstance(self.base_layer, Conv1D) else start


def folded(trunk: nn.Module) -> nn.Module:
    """The trunk with each adapter folded into its layer's weight and taken away; same outputs up to rounding."""
    for name, module in list(trunk.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            below = trunk.get_submodule(f"{name}.base_layer")
            if isinstance(below, Less):
                below.fold()
            parent = trunk.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())
    return trunk

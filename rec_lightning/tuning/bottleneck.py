"""Small networks after or beside the linear layers of a frozen trunk, found by their role.

Own code: ``peft`` has none. The up projection starts at zero, so a fresh adapter changes nothing. What is between two
linear maps is not linear, so an adapter cannot be folded into a weight: ``merge`` keeps it.

Relations: ``houlsby`` and ``pfeiffer`` put them after, ``parallel`` beside.
"""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.tuning.layers import linear_layers

# last words of the names of what ends an attention, ends a feed-forward part and begins one, over families of models
_ENDS_ATTENTION = re.compile(r"att.*\.(?:output\.dense|o_proj|out_proj|out_lin|out|o|c_proj|dense)$", re.IGNORECASE)
_ENDS_FFN = re.compile(r"(?:^|\.)(?:output\.dense|down_proj|down|c_proj|lin2|fc2|wo)$")
_BEGINS_FFN = re.compile(r"(?:^|\.)(?:intermediate\.dense|up_proj|up|c_fc|lin1|fc1|wi|wi_1)$")


class Around(nn.Module):
    """A linear layer with something around it; its weight can still be asked for, as some models do."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    @property
    def weight(self) -> Tensor:
        """Of the layer."""
        return self.layer.get_parameter("weight")


class Bottleneck(nn.Module):
    """Down, GELU, up."""

    def __init__(self, inputs: int, width: int, outputs: int, like: Tensor) -> None:
        super().__init__()
        self.down = nn.Linear(inputs, width, device=like.device, dtype=like.dtype)
        self.up = nn.Linear(width, outputs, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        out: Tensor = self.up(F.gelu(self.down(x)))
        return out


class After(Around):
    """A linear layer and a bottleneck with a residual after it."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__(layer)
        _, outputs = sizes(layer)
        self.adapter = Bottleneck(outputs, width, outputs, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        hidden = self.layer(x)
        out: Tensor = hidden + self.adapter(hidden)
        return out


def ends(trunk: nn.Module, method: str, name: str, layers: int | None, attention: bool, ffn: bool) -> list[str]:
    """Names of the linear layers that end an attention or a feed-forward part.

    Raises:
        ValueError: there is none, or the trunk has fewer layers than asked for.
    """
    linear = linear_layers(trunk, method, name, None, layers)
    found = [
        n
        for n in linear
        if (attention and _ENDS_ATTENTION.search(n)) or (ffn and _ENDS_FFN.search(n) and "att" not in n.lower())
    ]
    if not found:
        called = ", ".join(sorted({n.rsplit(".", 1)[-1] for n in linear}))
        raise ValueError(
            f"tuning={method} needs the ends of transformer layers, and {name} has none that it knows by name among "
            f"{called}. Set tuning=lora."
        )
    return found


def beginning(trunk: nn.Module, end: str) -> str | None:
    """The name of the linear layer that begins the feed-forward part which ``end`` ends."""
    layer = _layer(end)
    found = [n for n, _ in trunk.named_modules() if _layer(n) == layer and _BEGINS_FFN.search(n)]
    return found[0] if found else None


def _layer(name: str) -> str:
    # the path of the layer: up to the first number
    found = re.match(r"(?:.*?\.)?\d+\.", name)
    return found[0] if found else ""


def sizes(layer: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a linear layer."""
    first, second = layer.get_parameter("weight").shape
    return (second, first) if isinstance(layer, nn.Linear) else (first, second)

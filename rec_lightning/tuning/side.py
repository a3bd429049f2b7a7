"""Side-tuning: a small network beside a frozen encoder, over what its layers say; the encoder is run once ever.

Paper: J. Fu et al., "Efficient Multimodal Adaptation with Decoupled PEFT" (IISAN), SIGIR 2024,
https://arxiv.org/abs/2404.02059. What differs: one modality; states are pooled over the text as the items say and
normalised without learnt factors, since layers of causal models differ in size; the result is added to the encoder's
own by learnt factors that start at zero, so that training starts from the frozen model. As there, only every second
layer is read.
No gradient ever goes through the encoder, and no weight of it takes up what was learnt: ``merge`` keeps the network.
Relations: ``frozen`` is the start; ``top_layers`` also computes what lies below once, and runs the rest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive, describe

# n items, K layers, H width of the encoder, W width of the bottleneck


class Side:
    """Freezes a Hugging Face encoder and learns gated bottlenecks over its layers' states.

    Args:
        target: ``items``; there a cache holds the states.
        width: W of each bottleneck; at least 1.
        every: reads each ``every``-th layer, counted from the topmost; at least 1.
        lr_factor: learning rate of the network relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    foldable = False

    def __init__(self, target: Target = "items", width: int = 64, every: int = 2, lr_factor: float = 1.0) -> None:
        check_positive({"width": width, "every": every, "lr_factor": lr_factor})
        if target != "items":
            raise ValueError(
                f"tuning=side reads states that only items keep, got tuning.target={target}. Set tuning.target=items."
            )
        self.target: Target = target
        self.width, self.every, self.lr_factor = width, every, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Puts the network beside the trunk; beside each of several in a ``ModuleDict``.

        Raises:
            ValueError: it is no Hugging Face model over texts, or has fewer layers.
        """
        if isinstance(trunk, nn.ModuleDict) and len(trunk):
            return nn.ModuleDict({key: self(model, name, pretrained) for key, model in trunk.items()})
        if name.startswith("backbone=") or not isinstance(trunk, PreTrainedModel):
            raise ValueError(
                f"tuning=side needs a Hugging Face model that reads texts, and {name} ({describe(trunk)}) is none. "
                "Set tuning=full or tuning=lora, or choose items=text and tuning.target=items."
            )
        count: int = trunk.config.num_hidden_layers
        if self.every > count:
            raise ValueError(
                f"tuning.every must be 1..{count}, the layers of {name}, got {self.every}. Set tuning.every."
            )
        trunk.requires_grad_(False)
        return SideNetwork(trunk, list(range(count % self.every, count + 1, self.every)), self.width)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the network, which no weight can take up: same outputs, not from plain layers."""
        return trunk


class SideNetwork(nn.Module):
    """``h + scale * x_m``, where ``x_i = block_i(g_i x_{i-1} + (1 - g_i) norm(h_i))`` over the chosen states.

    Args:
        frozen: the encoder.
        chosen: which states are read; 0 is the embeddings', i that of layer i.
        width: W.
    """

    def __init__(self, frozen: nn.Module, chosen: list[int], width: int) -> None:
        super().__init__()
        config: Any = frozen.config
        self.frozen, self.chosen, size = frozen, chosen, config.hidden_size
        self.blocks = nn.ModuleList(Block(size, width) for _ in chosen)
        self.gates = nn.Parameter(torch.zeros(len(chosen) - 1))
        self.scale = nn.Parameter(torch.zeros(size))

    def beside(self, states: Tensor) -> Tensor:
        """(n, K + 1, H) -> (n, H)."""
        read = F.layer_norm(states[:, self.chosen], states.shape[-1:])
        x: Tensor = self.blocks[0](read[:, 0])
        for i, gate in enumerate(self.gates.sigmoid(), 1):
            x = self.blocks[i](gate * x + (1 - gate) * read[:, i])
        return states[:, -1] + self.scale * x


class Block(nn.Module):
    """A bottleneck with a residual, which starts as the identity."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, H) -> (n, H)."""
        out: Tensor = x + self.up(F.gelu(self.down(x)))
        return out

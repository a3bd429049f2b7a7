"""LoRA: a trained low-rank update beside each frozen linear layer.

Paper: E. J. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
https://arxiv.org/abs/2106.09685. A thin adapter to ``peft``; what differs from its defaults: layers are found by
being linear, not by a list of names for each architecture, and only the topmost ``layers`` of the trunk are touched,
so that what lies below can be cached.

Relations: ``rslora`` scales the update otherwise, ``dora`` adds a learnt magnitude; both are this class with one
switch.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoraConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, inject, transposed
from rec_lightning.tuning.layers import check_positive, check_share, linear_layers


class Lora:
    """Freezes the trunk and adds ``B @ A * alpha / rank`` to its linear layers; B starts at zero.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        rank: width of the update; at least 1.
        alpha: scale of the update; positive.
        dropout: on the update's input, in [0, 1).
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the update relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    method = "lora"
    rank_stabilized = False
    magnitude = False

    def __init__(
        self,
        target: Target = "items",
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"rank": rank, "alpha": alpha, "layers": layers, "lr_factor": lr_factor})
        check_share({"dropout": dropout})
        self.target: Target = target
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        matched = linear_layers(trunk, self.method, name, self.modules, self.layers)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            lora_dropout=self.dropout,
            use_rslora=self.rank_stabilized,
            use_dora=self.magnitude,
            target_modules=matched,
            bias="none",
            fan_in_fan_out=transposed(trunk, matched),
        )
        return inject(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Adds each update to its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

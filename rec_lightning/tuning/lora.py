"""LoRA: a trained low-rank update beside each frozen linear layer.

Paper: E. J. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
https://arxiv.org/abs/2106.09685. A thin adapter to ``peft``; what differs from its defaults: layers are found by
being linear, not by a list of names for each architecture, and only the topmost ``layers`` of the trunk are touched,
so that what lies below can be cached.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D  # the linear layer of GPT-2

from rec_lightning.contracts import Target


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
        for name, value in (("rank", rank), ("alpha", alpha), ("layers", layers), ("lr_factor", lr_factor)):
            if value is not None and value <= 0:
                raise ValueError(f"tuning.{name} must be positive, got {value}. Set tuning.{name}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"tuning.dropout must be in [0, 1), got {dropout}. Set tuning.dropout.")
        self.target: Target = target
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        trunk.requires_grad_(False)
        found = [n for n, m in trunk.named_modules() if isinstance(m, (nn.Linear, Conv1D))]
        if not found:
            raise ValueError(
                f"tuning=lora needs linear layers, and {name} ({_describe(trunk)}) has none. "
                "Set tuning=full, or choose items with an encoder (items=text), or tuning.target=backbone."
            )
        matched = [n for n in found if self.modules is None or any(part in n for part in self.modules)]
        matched = self._topmost(matched, found, name)
        if not matched:
            where = "" if self.layers is None else f" of the topmost {self.layers} layers"
            raise ValueError(
                f"tuning.modules={list(self.modules or [])} matches none of the linear layers{where} of {name}; they "
                f"are called {', '.join(sorted({n.rsplit('.', 1)[-1] for n in found}))}. Set tuning.modules."
            )
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            lora_dropout=self.dropout,
            target_modules=matched,
            bias="none",
            fan_in_fan_out=all(isinstance(trunk.get_submodule(n), Conv1D) for n in matched),
        )
        inject_adapter_in_model(config, trunk)
        return trunk

    def _topmost(self, matched: list[str], found: list[str], trunk_name: str) -> list[str]:
        if self.layers is None:
            return matched
        count = max((_layer(n) for n in found), default=-1) + 1
        if self.layers > count:
            raise ValueError(
                f"tuning.layers must be 1..{count}, the layers of {trunk_name}, got {self.layers}. Set tuning.layers."
            )
        return [n for n in matched if _layer(n) >= count - self.layers]

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Adds each update to its layer's weight and takes the adapter away; same outputs up to rounding."""
        for name, module in list(trunk.named_modules()):
            if isinstance(module, BaseTunerLayer):
                module.merge()
                parent = trunk.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], module.get_base_layer())
        return trunk


def _describe(trunk: nn.Module) -> str:
    return ", ".join(sorted({type(m).__name__ for m in trunk.modules() if not list(m.children())})) or "empty"


def _layer(name: str) -> int:
    # the first number in a dotted name; -1 where there is none
    found = re.search(r"(?:^|\.)(\d+)\.", name)
    return int(found[1]) if found else -1

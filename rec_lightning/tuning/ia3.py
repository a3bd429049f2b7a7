"""IA3: learnt factors on keys, values and the inner activations of the feed-forward part. The fewest parameters.

Paper: H. Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
NeurIPS 2022, https://arxiv.org/abs/2205.05638. A thin adapter to ``peft``.
What differs: layers are found by their role, not by a list of names for each architecture. Keys and values are known
by name; a layer outside attention that narrows ends a feed-forward part, and its inputs are scaled; the outputs of any
other layer that ``modules`` names are scaled.
Relations: ``bitfit`` adds where IA3 multiplies; ``vera`` has two vectors a layer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from peft import IA3Config
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, inject, transposed
from rec_lightning.tuning.layers import check_positive, linear_layers

# last words of the names of keys and values; GPT-2 has them with the queries in one layer
_KEYS_VALUES = re.compile(r"(?:^|\.)(?:key|value|[kv]|[kv]_proj|[kv]_lin|c_attn)$")


class Ia3:
    """Freezes the trunk and multiplies activations by learnt vectors that start at one.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        modules: substrings of the names of the linear layers to touch; null for keys, values and the feed-forward.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the vectors relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        target: Target = "items",
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the vectors in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        matched = linear_layers(trunk, "ia3", name, self.modules, self.layers)
        narrowing = [n for n in matched if "att" not in n.lower() and _narrows(trunk.get_submodule(n))]
        if self.modules is None:
            matched = [n for n in matched if n in narrowing or _KEYS_VALUES.search(n)]
        if not matched:
            raise ValueError(
                f"tuning=ia3 needs keys, values or a feed-forward part, and {name} has none that it knows by name. "
                "Set tuning.modules to parts of the names of the linear layers to scale, or tuning=lora."
            )
        config = IA3Config(
            target_modules=matched,
            feedforward_modules=narrowing,
            fan_in_fan_out=transposed(trunk, matched),
        )
        return inject(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Multiplies each weight by its factors and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)


def _narrows(layer: nn.Module) -> bool:
    out, inputs = layer.get_parameter("weight").shape
    return out < inputs if isinstance(layer, nn.Linear) else inputs < out

"""Adapters of ``peft`` inside a trunk: put in place, so that the names of all other modules stay, and folded again.

Relations: ``layers`` finds where they go; ``lora`` and all its relatives use both.
"""

from __future__ import annotations

from peft import PeftConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D


def inject(config: PeftConfig, trunk: nn.Module) -> nn.Module:
    """Freezes the trunk and puts an adapter into the layers that ``config`` names."""
    trunk.requires_grad_(False)
    inject_adapter_in_model(config, trunk)
    return trunk


def transposed(trunk: nn.Module, matched: list[str]) -> bool:
    """Whether the layers keep their weights as (in, out), as those of GPT-2 do."""
    return all(isinstance(trunk.get_submodule(n), Conv1D) for n in matched)


def folded(trunk: nn.Module) -> nn.Module:
    """The trunk with each adapter folded into its layer's weight and taken away; same outputs up to rounding."""
    for name, module in list(trunk.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent = trunk.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())
    return trunk

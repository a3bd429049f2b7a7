"""Prefix tuning: learnt keys and values in front of those of every layer.

Paper: X. L. Li and P. Liang, "Prefix-Tuning: Optimizing Continuous Prompts for Generation", ACL 2021,
https://arxiv.org/abs/2101.00190. A thin adapter to ``peft``. What differs: no network the prefixes come from, which
the paper uses against instability. The output before any step is not the model's own: random keys draw attention.
Every layer changes, so nothing is taken from the cache.
Relations: ``prompt`` puts its tokens before the first layer only.
"""

from __future__ import annotations

from peft import PrefixTuningConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive
from rec_lightning.tuning.prompted import prompted


class Prefix:
    """Freezes a Hugging Face model and learns keys and values in front of each layer's own.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        count: virtual tokens; at least 1.
        lr_factor: learning rate of them relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    changes_output = True
    foldable = False

    def __init__(self, target: Target = "items", count: int = 10, lr_factor: float = 1.0) -> None:
        check_positive({"count": count, "lr_factor": lr_factor})
        self.target: Target = target
        self.count, self.lr_factor = count, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Wraps the trunk.

        Raises:
            ValueError: it is no Hugging Face model.
        """
        config = PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=self.count)
        return prompted(config, trunk, "prefix", name)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the virtual tokens, which no weight can take up: same outputs, not from plain layers."""
        return trunk

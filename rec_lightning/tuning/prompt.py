"""Prompt tuning: learnt vectors in front of the embedded text.

Paper: B. Lester, R. Al-Rfou and N. Constant, "The Power of Scale for Parameter-Efficient Prompt Tuning", EMNLP 2021,
https://arxiv.org/abs/2104.08691. A thin adapter to ``peft``. What differs: pooling is over the real tokens only, which
attend to the virtual ones. The output before any step is not the model's own.
Relations: ``p_tuning`` makes the vectors by a network, ``prefix`` reaches every layer.
"""

from __future__ import annotations

from peft import PrefixTuningConfig, PromptTuningConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive
from rec_lightning.tuning.prompted import prompted


class Prompt:
    """Freezes a Hugging Face model and learns vectors in front of the embedded text.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        count: virtual tokens; at least 1.
        lr_factor: learning rate of them relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    method = "prompt"
    config: type[PromptTuningConfig | PrefixTuningConfig] = PromptTuningConfig
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
        config = self.config(task_type="FEATURE_EXTRACTION", num_virtual_tokens=self.count)
        return prompted(config, trunk, self.method, name)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the virtual tokens, which no weight can take up: same outputs, not from plain layers."""
        return trunk

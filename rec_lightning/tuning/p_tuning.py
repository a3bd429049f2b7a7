"""P-tuning: vectors in front of the embedded text that a small network makes, which steadies their training.

Paper: X. Liu et al., "GPT Understands, Too", AI Open 2023, https://arxiv.org/abs/2103.10385. A thin adapter to
``peft``. What differs: all vectors stand in front, and the network is a perceptron without a recurrent layer. Pooling
is over the real tokens only. The output before any step is not the model's own.
Relations: ``prompt`` learns the vectors themselves.
"""

from __future__ import annotations

from peft import PromptEncoderConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive
from rec_lightning.tuning.prompted import prompted


class PTuning:
    """Freezes a Hugging Face model and learns a network that makes vectors in front of the embedded text.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        count: virtual tokens; at least 1.
        width: of the network they come from; at least 1.
        lr_factor: learning rate of them relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    changes_output = True
    foldable = False

    def __init__(self, target: Target = "items", count: int = 10, width: int = 128, lr_factor: float = 1.0) -> None:
        check_positive({"count": count, "width": width, "lr_factor": lr_factor})
        self.target: Target = target
        self.count, self.width, self.lr_factor = count, width, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Wraps the trunk.

        Raises:
            ValueError: it is no Hugging Face model.
        """
        config = PromptEncoderConfig(
            task_type="FEATURE_EXTRACTION", num_virtual_tokens=self.count, encoder_hidden_size=self.width
        )
        return prompted(config, trunk, "p_tuning", name)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Keeps the virtual tokens, which no weight can take up: same outputs, not from plain layers."""
        return trunk

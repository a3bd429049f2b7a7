"""Layer-wise learning-rate decay: all of a pretrained trunk trains, lower layers more slowly.

Paper: J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018,
https://arxiv.org/abs/1801.06146 ("discriminative fine-tuning", a decay of 1 / 2.6); as used for transformers: K. Clark
et al., "ELECTRA", ICLR 2020, https://arxiv.org/abs/2003.10555. What differs: embeddings count as one layer below the
lowest, a last norm to the topmost.
Relations: ``full`` is a decay of 1, ``top_layers`` a decay to nothing below some layer.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive, heights


class Llrd:
    """Trains every parameter at ``rate * decay ** (layers above it)``.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        decay: factor from a layer to the one below, in (0, 1).
        rate: learning rate of the topmost layer relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, target: Target = "items", decay: float = 0.8, rate: float = 0.05) -> None:
        check_positive({"rate": rate})
        if not 0 < decay < 1:
            raise ValueError(f"tuning.decay must be in (0, 1), got {decay}. Set tuning.decay, or tuning=full.")
        self.target: Target = target
        self.decay, self.rate = decay, rate

    def lr_factor(self, trunk: nn.Module) -> dict[str, float]:
        """Parameter name -> learning rate relative to the optimizer's."""
        height = heights(trunk, "llrd", "the trunk")
        top = max(height.values())
        return {parameter: self.rate * self.decay ** (top - h) for parameter, h in height.items()}

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Marks all parameters as trained.

        Raises:
            ValueError: the trunk has no numbered layers, or is not pretrained.
        """
        heights(trunk, "llrd", name)
        if not pretrained:
            raise ValueError(
                f"tuning=llrd would slow the lower layers of {name}, in which nothing was learnt before that must be "
                "kept. Set tuning=full, or choose pretrained items (items=text)."
            )
        return trunk.requires_grad_(True)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

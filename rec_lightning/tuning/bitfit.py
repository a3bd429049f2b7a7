"""BitFit: only the biases train.

Paper: E. Ben Zaken, S. Ravfogel and Y. Goldberg, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based
Masked Language-models", ACL 2022, https://arxiv.org/abs/2106.10199. What differs: a bias is what has "bias" in the last
part of its name, so the joint ``in_proj_bias`` of ``nn.MultiheadAttention`` and the ``bias_ih_l0`` of a GRU count.
Relations: ``norm_tuning`` trains the norms' factors too, ``ia3`` learns factors beside the weights.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive, describe


class BitFit:
    """Freezes the trunk but for its biases, those of norms included.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        lr_factor: learning rate of what trains relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, target: Target = "items", lr_factor: float = 1.0) -> None:
        check_positive({"lr_factor": lr_factor})
        self.target: Target = target
        self.lr_factor = lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Marks what trains.

        Raises:
            ValueError: there is none.
        """
        trunk.requires_grad_(False)
        biases = [p for n, p in trunk.named_parameters() if "bias" in n.rsplit(".", 1)[-1]]
        if not biases:
            raise ValueError(
                f"tuning=bitfit needs biases, and {name} ({describe(trunk)}) has none. "
                "Set tuning=norm_tuning or tuning=lora where there are layers, else tuning=full."
            )
        for bias in biases:
            bias.requires_grad_(True)
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

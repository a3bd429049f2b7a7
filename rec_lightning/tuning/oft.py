"""OFT: rotates the inputs of each frozen linear layer by a block-diagonal orthogonal matrix.

Paper: Z. Qiu et al., "Controlling Text-to-Image Diffusion by Orthogonal Finetuning", NeurIPS 2023,
https://arxiv.org/abs/2306.07280. A thin adapter to ``peft``; what differs from its defaults: the Cayley transform is
solved exactly, not by a cut-off series, so the blocks are orthogonal, and angles between neurons stay as they were.
Relations: ``boft`` multiplies several such factors, so that every input reaches every other.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import OFTConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, inject
from rec_lightning.tuning.layers import check_divides, check_positive, check_share, linear_layers


class Oft:
    """Freezes the trunk and rotates the inputs of its linear layers; the rotations start at the identity.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        block: size of a block; must divide the inputs of every layer touched.
        dropout: share of blocks left out in a training step, in [0, 1).
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the rotations relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        target: Target = "items",
        block: int = 32,
        dropout: float = 0.0,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"block": block, "layers": layers, "lr_factor": lr_factor})
        check_share({"dropout": dropout})
        self.target: Target = target
        self.block, self.dropout = block, dropout
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the rotations in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for,
                or the block does not divide a layer's inputs.
        """
        matched = linear_layers(trunk, "oft", name, self.modules, self.layers, (nn.Linear,))
        check_divides("block", self.block, trunk, matched)
        config = OFTConfig(
            r=0,  # the number of blocks follows from their size
            oft_block_size=self.block,
            module_dropout=self.dropout,
            use_cayley_neumann=False,
            target_modules=matched,
            bias="none",
        )
        return inject(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds each update into its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

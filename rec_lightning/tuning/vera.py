"""VeRA: random projections that all layers share and that never train; only two vectors a layer are learnt.

Paper: D. J. Kopiczko, T. Blankevoort and Y. M. Asano, "VeRA: Vector-based Random Matrix Adaptation", ICLR 2024,
https://arxiv.org/abs/2310.11454. A thin adapter to ``peft``; what differs: layers of different sizes share one pair
of projections as large as the largest, each takes its corner of it, and layers are found as in ``lora``. A checkpoint
holds the projections once, so that it needs no equal random generator.
Relations: ``lora`` learns the projections; VeRA has fewer parameters by the factor of the layers' width.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import VeraConfig
from peft.tuners.vera import VeraModel
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, transposed
from rec_lightning.tuning.layers import check_positive, check_share, linear_layers


class Vera:
    """Freezes the trunk and adds ``diag(b) B diag(d) A`` to its linear layers; b starts at zero.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        rank: width of the projections; at least 1.
        seed: of the random projections.
        dropout: on the update's input, in [0, 1).
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the vectors relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        target: Target = "items",
        rank: int = 64,
        seed: int = 0,
        dropout: float = 0.0,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"rank": rank, "layers": layers, "lr_factor": lr_factor})
        check_share({"dropout": dropout})
        self.target: Target = target
        self.rank, self.seed, self.dropout = rank, seed, dropout
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the vectors in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        matched = linear_layers(trunk, "vera", name, self.modules, self.layers)
        config = VeraConfig(
            r=self.rank,
            projection_prng_key=self.seed,
            vera_dropout=self.dropout,
            target_modules=matched,
            bias="none",
            fan_in_fan_out=transposed(trunk, matched),
        )
        trunk.requires_grad_(False)
        VeraModel(trunk, config, "default")  # changes the trunk in place; the layers hold the projections
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds each update into its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

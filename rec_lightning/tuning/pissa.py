"""PiSSA: LoRA that starts from the principal singular vectors of each weight, so that it trains what matters most.

Paper: F. Meng, Z. Wang and M. Zhang, "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large
Language Models", NeurIPS 2024, https://arxiv.org/abs/2404.02948. A thin adapter to ``peft``.
What differs: there the base weight is replaced by what the factors leave of it, so that a checkpoint fits no other
copy of the model; here the weight stays, the initial factors are kept beside it and subtracted (``residual``).
Relations: PiSSA = ``lora`` + another start; ``olora`` starts from a QR decomposition.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoraConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, transposed
from rec_lightning.tuning.layers import check_positive, linear_layers
from rec_lightning.tuning.residual import check_rank, inject_from_weights


class Pissa:
    """Freezes the trunk and trains the top singular directions of its linear layers as ``B @ A * alpha / rank``.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        rank: width of the update; at least 1.
        alpha: scale of the update; positive.
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
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"rank": rank, "alpha": alpha, "layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.rank, self.alpha = rank, alpha
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for,
                or a layer is narrower than the rank.
        """
        matched = linear_layers(trunk, "pissa", name, self.modules, self.layers)
        check_rank(self.rank, trunk, matched)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            init_lora_weights="pissa",
            target_modules=matched,
            bias="none",
            fan_in_fan_out=transposed(trunk, matched),
        )
        return inject_from_weights(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds each update into its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

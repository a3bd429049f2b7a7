"""OLoRA: LoRA that starts from an orthonormal basis of each weight, which is said to converge faster.

Paper: K. Büyükakyüz, "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models", 2024,
https://arxiv.org/abs/2406.01775. A thin adapter to ``peft``.
What differs: there the base weight is changed in place, so that a checkpoint fits no other copy of the model; here
the weight stays, the initial factors are kept beside it and subtracted (``residual``). Not for GPT-2: ``peft`` takes
the decomposition of the wrong side of its transposed weights.
Relations: OLoRA = ``lora`` + another start; ``pissa`` starts from singular vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoraConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded
from rec_lightning.tuning.layers import check_positive, linear_layers
from rec_lightning.tuning.residual import check_rank, inject_from_weights


class OLora:
    """Freezes the trunk and trains ``B @ A * alpha / rank`` in its linear layers, from the first vectors of Q and R.

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
        matched = linear_layers(trunk, "olora", name, self.modules, self.layers, (nn.Linear,))
        check_rank(self.rank, trunk, matched)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            init_lora_weights="olora",
            target_modules=matched,
            bias="none",
        )
        return inject_from_weights(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds each update into its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

"""LoHa: an update that is the elementwise product of two low-rank matrices, so its rank may reach ``rank ** 2``.

Paper: N. Hyeon-Woo, M. Ye-Bin and T.-H. Oh, "FedPara: Low-Rank Hadamard Product for Communication-Efficient Federated
Learning", ICLR 2022, https://arxiv.org/abs/2108.06098; for fine-tuning: S.-Y. Yeh et al., "Navigating Text-To-Image
Customization: From LyCORIS Fine-Tuning to Model Evaluation", ICLR 2024, https://arxiv.org/abs/2309.14859. A thin
adapter to ``peft``; what differs is how layers are found (see ``lora``).
Relations: ``lora`` has one pair of factors, ``lokr`` a Kronecker product.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoHaConfig, LoKrConfig
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, inject
from rec_lightning.tuning.layers import check_positive, check_share, linear_layers


class LoHa:
    """Freezes the trunk and adds ``(B1 @ A1) * (B2 @ A2) * alpha / rank`` to its linear layers; B2 starts at zero.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        rank: of the factors; at least 1.
        alpha: scale of the update; positive.
        dropout: share of the update's rows left out in a training step, in [0, 1).
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the update relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    method = "loha"
    config: type[LoHaConfig | LoKrConfig] = LoHaConfig

    def __init__(
        self,
        target: Target = "items",
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"rank": rank, "alpha": alpha, "layers": layers, "lr_factor": lr_factor})
        check_share({"dropout": dropout})
        self.target: Target = target
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        matched = linear_layers(trunk, self.method, name, self.modules, self.layers, (nn.Linear,))
        config = self.config(
            r=self.rank,
            alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            rank_dropout=self.dropout,
            target_modules=matched,
        )
        return inject(config, trunk)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds each update into its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

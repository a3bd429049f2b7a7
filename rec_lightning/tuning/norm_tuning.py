"""Norm tuning: only the factors and biases of the normalisation layers train.

Paper: W. Qi et al., "Parameter-Efficient Tuning on Layer Normalization for Pre-trained Language Models", 2022,
https://arxiv.org/abs/2211.08682; for language models inside larger ones: B. Zhao et al., "Tuning LayerNorm in
Attention: Towards Efficient Multi-Modal LLM Finetuning", ICLR 2024, https://arxiv.org/abs/2312.11420. Own code: there
is nothing to inject. What differs: all norms of the trunk train, RMS norms of causal models included.
Relations: ``bitfit`` trains all biases instead.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_positive, describe


class NormTuning:
    """Freezes the trunk but for its layer norms and RMS norms.

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
        # by the name of the class: each family of models brings its own RMS norm
        norms = [m for m in trunk.modules() if "norm" in type(m).__name__.lower() and not list(m.children())]
        trained = [p for norm in norms for p in norm.parameters()]
        if not trained:
            raise ValueError(
                f"tuning=norm_tuning needs norms, and {name} ({describe(trunk)}) has none. "
                "Set tuning=full, or choose items with an encoder (items=text)."
            )
        for parameter in trained:
            parameter.requires_grad_(True)
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Nothing to fold."""
        return trunk

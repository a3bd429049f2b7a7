"""QLoRA: LoRA beside a base whose weights are kept in 4 or 8 bits.

Paper: T. Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", NeurIPS 2023,
https://arxiv.org/abs/2305.14314. What differs: optimizer states are not paged; and see ``few_bits`` for the base.
Relations: ``lora`` is the same beside full weights, which it can be folded into. Into few bits it cannot: rounding
again loses a part of what was learnt.
"""

from __future__ import annotations

from torch import nn

from rec_lightning.tuning.lora import Lora


class Qlora(Lora):
    """LoRA that needs a base of few bits: ``items.quantize``, or ``backbone.trunk.quantize`` of ``hf_pretrained``."""

    method = "qlora"
    takes_few_bits = True
    foldable = False

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place.

        Raises:
            ValueError: the base has full weights, or as ``Lora``.
        """
        if getattr(trunk, "few_bits", None) is None:
            raise ValueError(
                f"tuning=qlora needs a base in 4 or 8 bits, and {name} has full weights. "
                "Set tuning=lora, or items.quantize=nf4 with items=text, or backbone.trunk.quantize=nf4 with "
                "backbone=hf_pretrained."
            )
        return super().__call__(trunk, name, pretrained)

    def merge(self, trunk: nn.Module) -> nn.Module:
        """The trunk as it is: the update stays beside its base."""
        return trunk

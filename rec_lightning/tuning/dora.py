"""DoRA: LoRA for the direction of each weight row, and a learnt length.

Paper: S.-Y. Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", ICML 2024, https://arxiv.org/abs/2402.09353.
A thin adapter to ``peft``; what differs is how layers are found (see ``lora``).
Relations: DoRA = ``lora`` + learnt magnitude; a step costs more, since each weight's norm is computed anew.
"""

from __future__ import annotations

from rec_lightning.tuning.lora import Lora


class Dora(Lora):
    """Freezes the trunk and makes its weights ``m * (W + B @ A * alpha / rank) / norm``; B starts at zero.

    Takes the arguments of ``Lora`` and raises what it raises.
    """

    method = "dora"
    magnitude = True

"""rsLoRA: LoRA scaled by the square root of its rank, so that a large rank learns as fast as a small one.

Paper: D. Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA", 2023,
https://arxiv.org/abs/2312.03732. A thin adapter to ``peft``; what differs is how layers are found (see ``lora``).
Relations: rsLoRA = ``lora`` with ``alpha / sqrt(rank)`` for ``alpha / rank``.
"""

from __future__ import annotations

from rec_lightning.tuning.lora import Lora


class RsLora(Lora):
    """Freezes the trunk and adds ``B @ A * alpha / sqrt(rank)`` to its linear layers; B starts at zero.

    Takes the arguments of ``Lora`` and raises what it raises.
    """

    method = "rslora"
    rank_stabilized = True

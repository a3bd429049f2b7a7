"""LoKr: an update that is a Kronecker product of two small matrices, so it may have full rank with few parameters.

Paper: S.-Y. Yeh et al., "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation", ICLR
2024, https://arxiv.org/abs/2309.14859. A thin adapter to ``peft``; what differs is how layers are found (see ``lora``).
Relations: ``loha`` multiplies elementwise.
"""

from __future__ import annotations

from peft import LoKrConfig

from rec_lightning.tuning.loha import LoHa


class LoKr(LoHa):
    """Freezes the trunk and adds ``kron(C, B @ A) * alpha / rank`` to its linear layers; C starts at zero.

    Takes the arguments of ``LoHa`` and raises what it raises.
    """

    method = "lokr"
    config = LoKrConfig

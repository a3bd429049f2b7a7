"""AdaLoRA: a low-rank update as a singular value decomposition; its least important values are cut as training goes.

Paper: Q. Zhang et al., "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", ICLR 2023,
https://arxiv.org/abs/2303.10512. A thin adapter to ``peft``, driven by ``allocation`` from the training loop.
What differs: the phases are shares of the run, so that they follow its length; and how layers are found (see
``lora``). Cut values are set to zero, not removed, so a checkpoint has the size of ``start_rank``.
Relations: ``lora`` gives every layer the same rank.
"""

from __future__ import annotations

from collections.abc import Sequence

from lightning import Callback
from peft import AdaLoraConfig
from peft.tuners.adalora import AdaLoraModel
from torch import nn

from rec_lightning.contracts import Target
from rec_lightning.tuning.adapters import folded, transposed
from rec_lightning.tuning.allocation import Allocation
from rec_lightning.tuning.layers import check_positive, check_share, linear_layers


class AdaLora:
    """Freezes the trunk and adds ``B diag(e) A * alpha / start_rank`` to its linear layers; e starts at zero.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        rank: of a layer on average at the end; at least 1.
        start_rank: of every layer at the start; above ``rank``.
        alpha: scale of the update; positive.
        warmup: share of the steps before anything is cut, in [0, 1).
        settle: share of the steps after the last cut, in [0, 1); both together below 1.
        every: steps between two cuts; at least 1.
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the update relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    sets_weights = True

    def __init__(
        self,
        target: Target = "items",
        rank: int = 8,
        start_rank: int = 12,
        alpha: float = 16.0,
        warmup: float = 0.1,
        settle: float = 0.3,
        every: int = 10,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"rank": rank, "alpha": alpha, "every": every, "layers": layers, "lr_factor": lr_factor})
        check_share({"warmup": warmup, "settle": settle, "warmup + tuning.settle": warmup + settle})
        if start_rank <= rank:
            raise ValueError(
                f"tuning.start_rank must be above tuning.rank ({rank}), got {start_rank}: nothing would be cut. "
                "Set tuning.start_rank, or tuning=lora."
            )
        self.target: Target = target
        self.rank, self.start_rank, self.alpha = rank, start_rank, alpha
        self.warmup, self.settle, self.every = warmup, settle, every
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor
        self._tuned: list[AdaLoraModel] = []

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Injects the update in place; the names of the other modules stay as they are.

        Raises:
            ValueError: no linear layer matches, or the trunk has fewer layers than asked for.
        """
        matched = linear_layers(trunk, "adalora", name, self.modules, self.layers)
        config = AdaLoraConfig(
            init_r=self.start_rank,
            target_r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # any number will do
            deltaT=self.every,
            total_step=1,  # the training loop tells it, and the phases with it
            target_modules=matched,
            bias="none",
            fan_in_fan_out=transposed(trunk, matched),
        )
        trunk.requires_grad_(False)
        model = AdaLoraModel(trunk, config, "default")  # type: ignore[no-untyped-call]  # changes the trunk in place
        self._tuned.append(model)
        return trunk

    def callbacks(self) -> list[Callback]:
        """What the training loop has to call."""
        return [Allocation(self._tuned, self.warmup, self.settle)]

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Adds each update to its layer's weight and takes the adapter away; same outputs up to rounding."""
        return folded(trunk)

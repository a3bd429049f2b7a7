"""BOFT: rotates the inputs of each frozen linear layer by a product of butterfly factors.

Paper: W. Liu et al., "Parameter-Efficient Orthogonal Finetuning via Butterfly Factorization", ICLR 2024,
https://arxiv.org/abs/2311.06243. Own code: that of ``peft`` compiles a CUDA extension at its first use, and where it
cannot, it goes on with a single factor, which is OFT. What differs: no scale beside the rotation.
Factor i rotates blocks of inputs that lie ``block ** i`` apart, so ``factors`` of them mix ``block ** factors`` inputs.
Relations: ``oft`` is one factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Target
from rec_lightning.tuning.layers import check_divides, check_positive, linear_layers


class Boft:
    """Freezes the trunk and rotates the inputs of its linear layers; the rotations start at the identity.

    Args:
        target: ``items`` (their encoder), ``backbone`` or ``all``.
        block: size of a block; ``block ** factors`` must divide the inputs of every layer touched.
        factors: how many rotations are multiplied.
        modules: substrings of the names of the linear layers to touch; null for all.
        layers: how many of the trunk's topmost layers to touch; null for all.
        lr_factor: learning rate of the rotations relative to the optimizer's; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        target: Target = "items",
        block: int = 4,
        factors: int = 2,
        modules: Sequence[str] | None = None,
        layers: int | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        check_positive({"block": block, "factors": factors, "layers": layers, "lr_factor": lr_factor})
        self.target: Target = target
        self.block, self.factors = block, factors
        self.modules, self.layers, self.lr_factor = modules, layers, lr_factor

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Puts the rotations before the weights, in place.

        Raises:
            ValueError: no linear layer matches, the trunk has fewer layers than asked for, or the blocks do not
                divide a layer's inputs.
        """
        matched = linear_layers(trunk, "boft", name, self.modules, self.layers, (nn.Linear,))
        check_divides("block ** tuning.factors", self.block**self.factors, trunk, matched)
        trunk.requires_grad_(False)
        for place in matched:
            layer = trunk.get_submodule(place)
            assert isinstance(layer, nn.Linear)
            trunk.set_submodule(place, Rotated(layer, self.block, self.factors))
        return trunk

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Multiplies each weight by its rotation and takes that away; same outputs up to rounding."""
        for place, module in list(trunk.named_modules()):
            if isinstance(module, Rotated):
                module.layer.weight.data = module.weight.detach()
                trunk.set_submodule(place, module.layer)
        return trunk


class Rotated(nn.Module):
    """A linear layer with rotated inputs: ``W R_1 ... R_m``, each R orthogonal with blocks of ``block``."""

    def __init__(self, layer: nn.Linear, block: int, factors: int) -> None:
        super().__init__()
        self.layer = layer
        # what it learns; only ``skew - skew.T`` counts
        self.skew = nn.Parameter(layer.weight.new_zeros(factors, layer.in_features // block, block, block))

    @property
    def weight(self) -> Tensor:
        """(out, in), rotated."""
        weight: Tensor = self.layer.weight
        block = self.skew.shape[-1]
        for power, skew in enumerate(self.skew):
            angle = skew - skew.transpose(1, 2)  # (in / block, block, block)
            one = torch.eye(block, dtype=angle.dtype, device=angle.device)
            turn = torch.linalg.solve(one + angle, one - angle)  # Cayley: orthogonal for every skew matrix
            step = block**power
            apart = weight.view(len(weight), -1, block, step)  # inputs of one block lie ``step`` apart
            turned = torch.einsum("ogbs,gsbc->ogcs", apart, turn.view(-1, step, block, block))
            weight = turned.reshape(len(weight), -1)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(x, self.weight, self.layer.bias)

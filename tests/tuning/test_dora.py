"""Direction and length by hand."""

from __future__ import annotations

import torch
from torch import nn

from rec_lightning.tuning.dora import Dora


def test_the_length_of_each_row_is_learnt_apart() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(8, 6))
    weight, bias = trunk[0].weight.detach().clone(), trunk[0].bias.detach().clone()
    Dora(rank=2, alpha=4)(trunk, "items=X", True)
    a, b = (trunk.get_parameter(f"0.lora_{x}.default.weight") for x in "AB")
    length = trunk.get_parameter("0.lora_magnitude_vector.default.weight")
    assert torch.allclose(length, weight.norm(dim=1))
    nn.init.normal_(b)
    nn.init.uniform_(length, 1, 2)
    turned = weight + 2 * b @ a
    x = torch.randn(5, 8)
    wanted = x @ (length.unsqueeze(1) * turned / turned.norm(dim=1, keepdim=True)).T + bias
    assert torch.allclose(trunk(x), wanted, atol=1e-5)

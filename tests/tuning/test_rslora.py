"""The scale by hand."""

from __future__ import annotations

import torch
from torch import nn

from rec_lightning.tuning.rslora import RsLora


def test_the_update_is_divided_by_the_root_of_the_rank() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(8, 6, bias=False))
    weight = trunk[0].weight.detach().clone()
    RsLora(rank=4, alpha=6)(trunk, "items=X", True)
    a, b = (trunk.get_parameter(f"0.lora_{x}.default.weight") for x in "AB")
    nn.init.normal_(b)
    x = torch.randn(5, 8)
    assert torch.allclose(trunk(x), x @ (weight + 6 / 4**0.5 * b @ a).T, atol=1e-5)

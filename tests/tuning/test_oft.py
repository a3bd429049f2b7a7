"""OFT and BOFT keep the angles between neurons, and mix as many inputs as they promise."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rec_lightning.tuning.boft import Boft
from rec_lightning.tuning.oft import Oft


def rotated(tuning: Any) -> tuple[Tensor, Tensor]:
    """A weight of 16 inputs before and after a random rotation."""
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(16, 16))
    weight = trunk[0].weight.detach().clone()
    tuning(trunk, "items=X", True)
    for parameter in trunk.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, 16)
    before = trunk(x)
    merged = tuning.merge(trunk)
    assert torch.allclose(merged(x), before, atol=1e-5)
    assert set(merged.state_dict()) == {"0.weight", "0.bias"}
    return weight, merged[0].weight.detach()


@pytest.mark.parametrize("tuning", [Oft(block=4), Boft(block=4, factors=2), Boft(block=2, factors=4)])
def test_lengths_and_angles_stay(tuning: Any) -> None:
    weight, turned = rotated(tuning)
    assert torch.allclose(turned @ turned.T, weight @ weight.T, atol=1e-4)
    assert not torch.allclose(turned, weight, atol=1e-1)


@pytest.mark.parametrize(("tuning", "mixed"), [(Oft(block=4), 4), (Boft(block=4, factors=1), 4), (Boft(block=4), 16)])
def test_how_many_inputs_meet(tuning: Any, mixed: int) -> None:
    weight, turned = rotated(tuning)
    rotation = torch.linalg.solve(weight, turned)
    assert int((rotation.abs() > 1e-4).sum(1).float().mean().round()) == mixed


@pytest.mark.parametrize(
    ("tuning", "text"),
    [
        (Oft(block=5), "tuning.block must divide the 16 inputs of 0, got 5. Set tuning.block, or tuning.modules."),
        (
            Boft(block=4, factors=3),
            "tuning.block ** tuning.factors must divide the 16 inputs of 0, got 64. "
            "Set tuning.block ** tuning.factors, or tuning.modules.",
        ),
    ],
)
def test_blocks_that_do_not_tile(tuning: Any, text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        tuning(nn.Sequential(nn.Linear(16, 16)), "items=X", True)

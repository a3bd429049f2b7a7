"""The filter against the plain sum."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from rec_lightning.backbones.fmlp import FMLP, CausalFilter


@pytest.mark.parametrize("length", [1, 2, 7, 9])
def test_equals_the_sum(length: int) -> None:
    torch.manual_seed(0)
    layer, x = CausalFilter(3, 9), torch.randn(2, length, 3)
    expected = torch.zeros(2, length, 3)
    for t in range(length):
        for s in range(t + 1):
            expected[:, t] += layer.kernel[t - s] * x[:, s]
    assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"blocks": 0}, "backbone.blocks must be at least 1, got 0. Set backbone.blocks."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        FMLP(8, max_length=5, **changes)

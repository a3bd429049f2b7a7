"""The running mean by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from rec_lightning.backbones.mean_pooling import MeanPooling
from rec_lightning.contracts import Batch


@pytest.mark.parametrize(("decay", "means"), [(1.0, [8.0, 5, 6]), (0.5, [8.0, 4, 44 / 7])])
def test_the_mean_by_hand(decay: float, means: list[float], batch: Callable[..., Batch]) -> None:
    model = MeanPooling(1, decay=decay, layers=0).eval()
    nn.init.zeros_(model.net[0].weight)  # type: ignore[arg-type]
    nn.init.zeros_(model.net[0].bias)  # type: ignore[arg-type]
    found = model.states(batch([3], 9), torch.tensor([[[8.0], [2.0], [8.0]]]))
    assert torch.allclose(found.flatten(), torch.tensor(means))


def test_without_decay_the_order_does_not_matter(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    model, inputs, many = MeanPooling(8).eval(), torch.randn(2, 5, 8), batch([5, 5], 9)
    found = [model.states(many, x)[:, -1] for x in (inputs, inputs.flip(1))]
    assert torch.allclose(*found, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"decay": 0.0}, "backbone.decay must be in (0, 1], got 0.0. Set backbone.decay."),
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"layers": -1}, "backbone.layers must be at least 0, got -1. Set backbone.layers."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        MeanPooling(8, **changes)

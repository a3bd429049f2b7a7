"""The recurrence against a loop over the steps."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from rec_lightning.backbones.lru import LRU, Recurrence


@pytest.mark.parametrize("length", [1, 2, 5, 8, 33])
def test_equals_a_loop_over_the_steps(length: int) -> None:
    torch.manual_seed(0)
    layer, x = Recurrence(4, 6, 0.99, 0.8), torch.randn(2, length, 4)
    weights = {n: p.detach().double().numpy() for n, p in layer.named_parameters()}
    a = np.exp(-np.exp(weights["decay"]) + 1j * np.exp(weights["phase"]))
    found = layer(x).detach().numpy()
    for row, inputs in zip(found, x.double().numpy(), strict=True):
        state = np.zeros(6, complex)
        for t, item in enumerate(inputs):
            parts = weights["into.weight"] @ item + weights["into.bias"]
            state = a * state + np.exp(weights["gain"]) * (parts[:6] + 1j * parts[6:])
            out = weights["out.weight"] @ np.concatenate([state.real, state.imag]) + weights["out.bias"]
            assert np.allclose(row[t], out, atol=1e-5)


def test_initial_weights_lie_in_the_ring_and_keep_the_size() -> None:
    torch.manual_seed(0)
    layer = Recurrence(4, 1000, 0.9, 0.5)
    modulus = torch.exp(-layer.decay.exp())
    assert 0.5 <= modulus.min() < 0.55
    assert 0.88 < modulus.max() <= 0.9
    assert torch.allclose(layer.gain.exp().square() / (1 - modulus.square()), torch.ones(1000), atol=1e-4)


def test_long_histories_stay_finite_under_autocast() -> None:
    torch.manual_seed(0)
    model, x = LRU(8).eval(), torch.randn(1, 2000, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(model.states(None, x)).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"blocks": 0}, "backbone.blocks must be at least 1, got 0. Set backbone.blocks."),
        ({"state_factor": 0}, "backbone.state_factor must be at least 1, got 0. Set backbone.state_factor."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
        (
            {"slowest": 1.0},
            "backbone.fastest and slowest must be 0 <= fastest < slowest < 1, got 0.8 and 1.0. Set backbone.fastest.",
        ),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        LRU(8, **changes)

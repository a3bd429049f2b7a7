"""The recurrence against its formulas in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rec_lightning.backbones.gru4rec import GRU4Rec
from rec_lightning.contracts import Batch


def test_equals_the_formulas(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    model = GRU4Rec(4, hidden=6).eval()
    weights = {n: p.detach().double().numpy() for n, p in model.named_parameters()}
    inputs = torch.randn(1, 5, 4)
    state, rows = np.zeros(6), []
    for x in inputs[0].double().numpy():
        i = np.split(weights["gru.weight_ih_l0"] @ x + weights["gru.bias_ih_l0"], 3)
        h = np.split(weights["gru.weight_hh_l0"] @ state + weights["gru.bias_hh_l0"], 3)
        reset, update = (1 / (1 + np.exp(-(i[k] + h[k]))) for k in (0, 1))
        state = (1 - update) * np.tanh(i[2] + reset * h[2]) + update * state
        rows.append(weights["out.weight"] @ state + weights["out.bias"])
    found = model.states(batch([5], 9), inputs)[0].detach().numpy()
    assert np.allclose(found, rows, atol=1e-6)


def test_dropout_works_in_training_only(batch: Callable[..., Batch]) -> None:
    model, inputs, many = GRU4Rec(8, layers=2, dropout=0.5), torch.randn(1, 5, 8), batch([5], 9)
    assert not torch.equal(model.states(many, inputs), model.states(many, inputs))
    model.eval()
    assert torch.equal(model.states(many, inputs), model.states(many, inputs))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"hidden": 0}, "backbone.hidden must be at least 1, got 0. Set backbone.hidden."),
        ({"layers": 0}, "backbone.layers must be at least 1, got 0. Set backbone.layers."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        GRU4Rec(8, **changes)

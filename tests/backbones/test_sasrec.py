"""One block against the formulas of the paper in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Batch

Floats = NDArray[np.float64]


def norm(x: Floats) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def by_numpy(model: SASRec, x: Floats, heads: int, pre: bool) -> Floats:
    """One history (L, D), one block, ReLU, all norms at their initial weights."""
    weights = {n: p.detach().double().numpy() for n, p in model.named_parameters()}

    def linear(name: str, value: Floats) -> Floats:
        return value @ weights[f"blocks.0.{name}.weight"].T + weights[f"blocks.0.{name}.bias"]

    def attention(value: Floats) -> Floats:
        q, k, v = (linear(f"attention.{n}", value) for n in ("query", "key", "value"))
        out = np.zeros_like(value)
        for columns in np.split(np.arange(value.shape[1]), heads):
            logits = q[:, columns] @ k[:, columns].T / np.sqrt(len(columns))
            logits[np.triu_indices(len(value), 1)] = -np.inf
            share = np.exp(logits - logits.max(1, keepdims=True))
            out[:, columns] = share / share.sum(1, keepdims=True) @ v[:, columns]
        return linear("attention.out", out)

    def ffn(value: Floats) -> Floats:
        return linear("ffn.down", np.maximum(linear("ffn.up", value), 0))

    x = x + weights["position.weight"][: len(x)]
    if pre:
        x = x + attention(norm(x))
        return norm(x + ffn(norm(x)))
    x = norm(x)
    x = norm(x + attention(x))
    return norm(x + ffn(x))


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_formulas(order: Literal["pre", "post"], heads: int, batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    model = SASRec(8, max_length=6, blocks=1, heads=heads, ffn_factor=2, norm=order, activation="relu").eval()
    inputs = torch.randn(1, 5, 8)
    found = model.states(batch([5], 9), inputs)[0].detach().double().numpy()
    assert np.allclose(found, by_numpy(model, inputs[0].double().numpy(), heads, order == "pre"), atol=1e-5)


def test_positions_from_the_end_are_those_of_histories_padded_on_the_left(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    model = SASRec(8, max_length=5, blocks=1, ffn_factor=2, activation="relu", positions="from_end").eval()
    inputs = torch.randn(2, 5, 8)
    found = model.states(batch([3, 5], 9), inputs)
    padded_left = model.position.weight.detach().flip(0)  # of whose five places a history takes the last ones
    for row, length in enumerate([3, 5]):
        with torch.no_grad():
            model.position.weight[:length] = padded_left[5 - length :]
        expected = by_numpy(model, inputs[row, :length].double().numpy(), 1, True)
        assert np.allclose(found[row, :length].detach().double().numpy(), expected, atol=1e-5)


def test_initial_weights_of_a_chosen_deviation_leave_the_rest_as_it_was() -> None:
    torch.manual_seed(0)
    usual = SASRec(64, max_length=5).state_dict()
    torch.manual_seed(0)
    chosen = SASRec(64, max_length=5, std=0.02).state_dict()
    for name, values in chosen.items():
        linear = "norm" not in name and name.startswith("blocks")
        if linear and name.endswith("weight"):
            assert 0.019 < values.std() < 0.021, name
            assert usual[name].std() > 0.03, name
        elif linear:
            assert not values.any(), name
        else:
            assert torch.equal(values, usual[name]), name


def test_dropout_works_in_training_only(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    model, inputs, many = SASRec(8, max_length=5, dropout=0.5), torch.randn(1, 5, 8), batch([5], 9)
    assert not torch.equal(model.states(many, inputs), model.states(many, inputs))
    model.eval()
    assert torch.equal(model.states(many, inputs), model.states(many, inputs))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, r"backbone.dropout must be in \[0, 1\), got 1.0. Set backbone.dropout."),
        ({"heads": 3}, "backbone.heads must divide the width 8, got 3. Set backbone.heads or width."),
        ({"heads": 0}, "backbone.heads must divide the width 8, got 0. Set backbone.heads or width."),
        ({"blocks": 0}, "backbone.blocks must be at least 1, got 0. Set backbone.blocks."),
        ({"std": 0.0}, "backbone.std must be positive or null, got 0.0. Set backbone.std."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
    ],
)
def test_values_out_of_range(changes: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        SASRec(8, max_length=5, **changes)  # type: ignore[arg-type]

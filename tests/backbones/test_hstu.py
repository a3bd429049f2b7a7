"""Layers against the formulas of the paper in NumPy; what time does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rec_lightning.backbones.hstu import HSTU
from rec_lightning.contracts import Batch

Make = Callable[..., Batch]
Floats = NDArray[np.float64]
DAY = 86_400
TIMES = torch.tensor([[1_000_000_000, 1_000_000_000, 1_000_000_007, 1_000_000_000 + DAY, 1_000_000_000 + 40 * DAY]])


def silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))


def norm(x: Floats) -> Floats:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def by_numpy(model: HSTU, x: Floats, heads: int, now: NDArray[np.int64] | None, time: NDArray[np.int64]) -> Floats:
    """One history (L, D), all norms at their initial weights, one number at a time where it matters."""
    weights = {n: p.detach().double().numpy() for n, p in model.named_parameters()}
    length = len(x)
    x = x + weights["position.weight"][:length]
    for block in range(len(model.blocks)):
        own = {n.removeprefix(f"blocks.{block}."): w for n, w in weights.items()}
        u, v, q, k = (silu(norm(x) @ own[f"{n}.weight"].T) for n in ("gate", "value", "query", "key"))
        mixed = np.zeros_like(x)
        for columns in np.split(np.arange(x.shape[1]), heads):
            for i in range(length):
                for j in range(i + 1):
                    bias = own["places"][i - j]
                    if now is not None:
                        bias += own["times"][int(np.log(max(abs(int(now[i]) - int(time[j])), 1)) / 0.301)]
                    weight = silu(q[i, columns] @ k[j, columns] + bias) / model.max_length
                    mixed[i, columns] += weight * v[j, columns]
        x = x + (norm(mixed) * u) @ own["out.weight"].T + own["out.bias"]
    return norm(x)


@pytest.mark.parametrize(("time", "asked"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_formulas(heads: int, time: bool, asked: bool, batch: Make) -> None:
    torch.manual_seed(0)
    model = HSTU(8, max_length=6, heads=heads, time=time, asked=asked).eval()
    for parameter in model.parameters():
        parameter.data.mul_(1 if parameter.ndim == 1 and len(parameter) == 8 else 5)  # no bias is too small to be seen
    inputs, many = torch.randn(1, 5, 8), batch([5], 9)
    later = torch.cat([TIMES[:, 1:], TIMES[:, -1:] + 3 * DAY], 1)
    many = replace(many, time=TIMES, target_time=later)
    now = (later if asked else TIMES)[0].numpy() if time else None
    expected = by_numpy(model, inputs[0].double().numpy(), heads, now, TIMES[0].numpy())
    found = model.states(many, inputs)[0].detach().double().numpy()
    assert np.allclose(found, expected, atol=1e-5)


def test_the_moment_of_the_question_counts_only_if_asked(batch: Make) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(1, 5, 8)
    base = replace(batch([5], 9), time=TIMES, target=torch.tensor([3]), target_time=TIMES[:, -1] + 5)
    late = replace(base, target_time=base.target_time + 400 * DAY if base.target_time is not None else None)
    for asked in (False, True):
        model = HSTU(8, max_length=6, asked=asked).eval()
        one, two = (model.states(many, inputs)[0] for many in (base, late))
        assert torch.equal(one[:4], two[:4])
        assert torch.equal(one[4], two[4]) != asked


def test_evaluation_is_the_training_of_the_last_target(batch: Make) -> None:
    torch.manual_seed(0)
    model, inputs = HSTU(8, max_length=6, asked=True).eval(), torch.randn(2, 5, 8)
    many = batch([5, 3], 9)
    real = many.history > 0
    time = TIMES.expand(2, 5) * real
    later = torch.cat([TIMES[:, 1:], TIMES[:, -1:] + DAY], 1).expand(2, 5) * real
    trained = model.states(replace(many, time=time, target_time=later), inputs)
    last = many.length - 1
    row = torch.arange(2)
    one = replace(many, time=time, target=many.target[row, last], target_time=later[row, last])
    assert torch.allclose(model.states(one, inputs)[row, last], trained[row, last], atol=1e-6)


def test_a_day_apart_is_not_a_minute_apart(batch: Make) -> None:
    torch.manual_seed(0)
    model, inputs, many = HSTU(8, max_length=6).eval(), torch.randn(1, 5, 8), batch([5], 9)
    slow, fast = (model.states(replace(many, time=TIMES[:, :1] + torch.arange(5) * s), inputs) for s in (DAY, 60))
    assert (slow - fast)[0, 1:].abs().amax(1).min() > 1e-4
    assert torch.equal(slow[0, 0], fast[0, 0])
    shifted = model.states(replace(many, time=TIMES[:, :1] + 77 * DAY + torch.arange(5) * DAY), inputs)
    assert torch.equal(shifted, slow)  # only differences count


def test_without_times_it_is_refused_or_reads_places_only(batch: Make) -> None:
    inputs, many = torch.randn(1, 5, 8), batch([5], 9)
    text = (
        "backbone=hstu reads when events happened, and the batch carries no times. Set backbone.time=false, or name "
        "the column of times in data.source."
    )
    model = HSTU(8, max_length=6)
    assert model.needs_time
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        model.states(replace(many, time=None), inputs)
    plain = HSTU(8, max_length=6, time=False)
    assert not plain.needs_time
    assert plain.states(replace(many, time=None), inputs).shape == (1, 5, 8)


def test_dropout_works_in_training_only(batch: Make) -> None:
    model, inputs, many = HSTU(8, max_length=5, dropout=0.5, time=False), torch.randn(1, 5, 8), batch([5], 9)
    assert not torch.equal(model.states(many, inputs), model.states(many, inputs))
    model.eval()
    assert torch.equal(model.states(many, inputs), model.states(many, inputs))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"heads": 3}, "backbone.heads must divide the width 8, got 3. Set backbone.heads or width."),
        ({"blocks": 0}, "backbone.blocks must be at least 1, got 0. Set backbone.blocks."),
        (
            {"time": False, "asked": True},
            "backbone.asked=true has no effect with backbone.time=false. Set backbone.time=true.",
        ),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        HSTU(8, max_length=5, **changes)

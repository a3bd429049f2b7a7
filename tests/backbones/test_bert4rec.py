"""Masks: which, that they hide, and that inference is the training of the last target."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from rec_lightning.backbones.bert4rec import BERT4Rec
from rec_lightning.contracts import Batch

Make = Callable[..., Batch]


def test_about_the_share_is_masked_and_at_least_one_a_row(batch: Make) -> None:
    torch.manual_seed(0)
    many, model = batch([50] * 100 + [1] * 20, 30), BERT4Rec(8, max_length=50, masked=0.3)
    posed = model.pose(many)
    asked = posed.target > 0
    assert asked[:100].float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert asked.any(1).all()
    assert torch.equal(posed.target[asked], many.target[asked])
    assert (asked <= (many.target > 0)).all()
    assert not torch.equal(model.pose(many).target, posed.target)


def test_a_row_without_a_mask_masks_its_last_target(batch: Make) -> None:
    many = batch([5, 3], 30)
    silent = replace(many, target=many.target * torch.tensor([[0, 1, 1, 1, 1]]))  # the first is only context
    posed = BERT4Rec(8, max_length=5, masked=1e-9).pose(silent)
    assert (posed.target > 0).tolist() == [[False] * 4 + [True], [False, False, True, False, False]]


def test_what_is_asked_is_hidden_and_all_else_is_seen(batch: Make) -> None:
    torch.manual_seed(0)
    model, many = BERT4Rec(8, max_length=6).eval(), batch([6, 4], 30)
    posed = replace(many, target=many.target * torch.tensor([[0, 1, 0, 1, 0, 0], [0, 0, 1, 1, 0, 0]]))
    inputs = torch.randn(2, 6, 8, requires_grad=True)
    states = model.states(posed, inputs)
    (states[posed.target > 0] * torch.randn(4, 8)).sum().backward()
    assert inputs.grad is not None
    # target t is item t + 1 of the history; the last one lies beyond it, and padding is never seen
    assert inputs.grad.any(2).tolist() == [[True, True, False, True, False, True], [True, True, True] + [False] * 3]


def test_inference_is_the_training_of_the_last_target(batch: Make) -> None:
    torch.manual_seed(0)
    model, many, inputs = BERT4Rec(8, max_length=6).eval(), batch([6, 4, 1], 30), torch.randn(3, 6, 8)
    last = torch.arange(6) == many.length.unsqueeze(1) - 1
    trained = model.states(replace(many, target=many.target * last), inputs)[last]
    found = model.states(replace(many, target=many.target[last]), inputs)[last]
    assert torch.allclose(found, trained, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"masked": 0.0}, "backbone.masked must be in (0, 1], got 0.0. Set backbone.masked."),
        ({"heads": 3}, "backbone.heads must divide the width 8, got 3. Set backbone.heads or width."),
        ({"blocks": 0}, "backbone.blocks must be at least 1, got 0. Set backbone.blocks."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        BERT4Rec(8, max_length=5, **changes)

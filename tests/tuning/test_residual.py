"""PiSSA and OLoRA: where they start, and that the base weight is left alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from rec_lightning.tuning.olora import OLora
from rec_lightning.tuning.pissa import Pissa


@pytest.mark.parametrize(("method", "kind"), [(Pissa, nn.Linear), (Pissa, Conv1D), (OLora, nn.Linear)])
def test_the_weight_stays_and_the_checkpoint_holds_the_start(method: Any, kind: Any) -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(8, 6) if kind is nn.Linear else Conv1D(6, 8))
    weight, x = trunk[0].weight.detach().clone(), torch.randn(5, 8)
    before = trunk(x)
    method(rank=2, alpha=3)(trunk, "items=X", True)
    assert torch.allclose(trunk(x), before, atol=1e-5)
    state = trunk.state_dict()
    assert torch.equal(state["0.base_layer.base_layer.weight"], weight)
    assert torch.equal(state["0.base_layer.a"], state["0.lora_A.default.weight"])
    assert torch.equal(state["0.base_layer.b"], state["0.lora_B.default.weight"])
    nn.init.normal_(trunk.get_parameter("0.lora_A.default.weight"))
    changed = trunk(x)
    assert not torch.allclose(changed, before, atol=1e-2)
    merged = method().merge(trunk)
    assert set(merged.state_dict()) == {"0.weight", "0.bias"}
    assert torch.allclose(merged(x), changed, atol=1e-5)


def test_pissa_starts_from_the_largest_singular_values() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(8, 6))
    u, s, v = torch.linalg.svd(trunk[0].weight.detach(), full_matrices=False)
    Pissa(rank=2, alpha=2)(trunk, "items=X", True)
    a, b = (trunk.get_parameter(f"0.lora_{x}.default.weight") for x in "AB")
    assert torch.allclose(b @ a, u[:, :2] * s[:2] @ v[:2], atol=1e-5)


def test_olora_starts_from_orthonormal_columns() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(8, 6))
    OLora(rank=2, alpha=2)(trunk, "items=X", True)
    b = trunk.get_parameter("0.lora_B.default.weight")
    assert torch.allclose(b.T @ b, torch.eye(2), atol=1e-6)


@pytest.mark.parametrize("method", [Pissa, OLora])
def test_a_rank_above_the_width(method: Any) -> None:
    text = "tuning.rank must be 1..6, the width of 0, got 7. Set tuning.rank."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        method(rank=7)(nn.Sequential(nn.Linear(8, 6)), "items=X", True)

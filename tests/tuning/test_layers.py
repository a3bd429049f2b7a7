"""Which linear layers are found, and the words of the refusals that all methods share."""

from __future__ import annotations

import re

import pytest
from torch import nn
from transformers.pytorch_utils import Conv1D

from rec_lightning.tuning.layers import check_divides, check_positive, check_share, layer_of, linear_layers, topmost


def trunk() -> nn.ModuleList:
    return nn.ModuleList(nn.ModuleDict({"up": nn.Linear(2, 4), "down": nn.Linear(4, 2)}) for _ in range(3))


def test_names() -> None:
    everything = [f"{layer}.{name}" for layer in range(3) for name in ("up", "down")]
    assert linear_layers(trunk(), "x", "items=X") == everything
    assert linear_layers(trunk(), "x", "items=X", modules=["down"]) == ["0.down", "1.down", "2.down"]
    assert linear_layers(trunk(), "x", "items=X", modules=["up", "1.down"], layers=2) == ["1.up", "1.down", "2.up"]
    assert linear_layers(nn.Sequential(Conv1D(2, 2), nn.Linear(2, 2)), "x", "items=X") == ["0", "1"]
    assert linear_layers(nn.Sequential(Conv1D(2, 2), nn.Linear(2, 2)), "x", "items=X", kinds=(nn.Linear,)) == ["1"]


def test_the_number_of_a_layer() -> None:
    assert [layer_of(n) for n in ("encoder.layer.12.dense", "3.up", "layer.7", "norm.weight")] == [12, 3, -1, -1]
    assert topmost(["norm", "0.a", "1.a"], ["0.a", "1.a"], "items=X", None) == ["norm", "0.a", "1.a"]
    assert topmost(["norm", "0.a", "1.a"], ["0.a", "1.a"], "items=X", 1) == ["1.a"]


def test_refusals() -> None:
    text = (
        "tuning=x needs linear layers, and items=X (GELU, LayerNorm) has none. "
        "Set tuning=full, or choose items with an encoder (items=text), or tuning.target=backbone."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        linear_layers(nn.Sequential(nn.LayerNorm(2), nn.GELU()), "x", "items=X")
    text = "tuning.layers must be 1..0, the layers of items=X, got 1. Set tuning.layers."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        linear_layers(nn.ModuleDict({"a": nn.Linear(2, 2)}), "x", "items=X", layers=1)
    text = "tuning.block must divide the 2 inputs of 0.up, got 3. Set tuning.block, or tuning.modules."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        check_divides("block", 3, trunk(), ["0.up"])
    with pytest.raises(ValueError, match=r"^tuning.b must be positive, got 0. Set tuning.b.$"):
        check_positive({"a": 1, "c": None, "b": 0})
    with pytest.raises(ValueError, match=r"^tuning.b must be in \[0, 1\), got 1.0. Set tuning.b.$"):
        check_share({"a": 0.0, "b": 1.0})

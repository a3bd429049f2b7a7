"""Every kind of bias is found."""

from __future__ import annotations

import re

import pytest
from torch import nn

from rec_lightning.tuning.bitfit import BitFit


def test_biases_inside_longer_names() -> None:
    trunk = nn.ModuleDict({"a": nn.MultiheadAttention(4, 1), "g": nn.GRU(4, 4), "n": nn.LayerNorm(4)})
    BitFit()(trunk, "items=X", True)
    assert {n for n, p in trunk.named_parameters() if p.requires_grad} == {
        "a.in_proj_bias",
        "a.out_proj.bias",
        "g.bias_ih_l0",
        "g.bias_hh_l0",
        "n.bias",
    }


def test_refusals() -> None:
    text = (
        "tuning=bitfit needs biases, and items=X (Linear) has none. "
        "Set tuning=norm_tuning or tuning=lora where there are layers, else tuning=full."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        BitFit()(nn.Sequential(nn.Linear(2, 2, bias=False)), "items=X", True)
    with pytest.raises(ValueError, match=r"^tuning.lr_factor must be positive, got 0. Set tuning.lr_factor.$"):
        BitFit(lr_factor=0)

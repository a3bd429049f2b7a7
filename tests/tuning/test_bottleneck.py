"""Where bottlenecks go in several families of models, and what they compute."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.tuning.houlsby import Houlsby
from rec_lightning.tuning.parallel import Parallel
from rec_lightning.tuning.pfeiffer import Pfeiffer

# family -> ends of attention and of the feed-forward part, in its top layer
ENDS = {
    "bert": ("attention.output.dense", "output.dense"),
    "roberta": ("attention.output.dense", "output.dense"),
    "llama": ("self_attn.o_proj", "mlp.down_proj"),
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "mpnet": ("attention.attn.o", "output.dense"),
    "sasrec": ("attention.out", "ffn.down"),
}


def trunk_of(family: str, language_model: Callable[..., str]) -> nn.Module:
    if family == "sasrec":
        return SASRec(32, 8, blocks=3).blocks
    trunk: nn.Module = AutoModel.from_pretrained(language_model(family))
    return trunk


@pytest.mark.parametrize("family", ENDS)
@pytest.mark.parametrize("method", [Houlsby, Pfeiffer, Parallel])
def test_where_they_go(method: Any, family: str, language_model: Callable[..., str]) -> None:
    trunk = method(layers=1)(trunk_of(family, language_model), "items=X", True)
    trained = {n for n, p in trunk.named_parameters() if p.requires_grad}
    attention, ffn = ENDS[family]
    wanted = {attention, ffn} if method is Houlsby else {ffn}
    assert {re.sub(r"^.*2\.|\.adapter.*", "", name) for name in trained} == wanted
    assert all(".adapter." in name for name in trained)


def test_after_by_hand() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 4)
    trunk = nn.ModuleDict({"down": layer})
    Pfeiffer(width=3)(trunk, "items=X", True)
    for parameter in trunk.parameters():
        nn.init.normal_(parameter)
    adapter = trunk.get_submodule("down.adapter")
    x = torch.randn(5, 6)
    hidden = layer(x)
    assert torch.allclose(trunk["down"](x), hidden + adapter.up(F.gelu(adapter.down(hidden))))  # type: ignore[operator]
    assert trunk["down"].weight is layer.weight


def test_beside_by_hand() -> None:
    torch.manual_seed(0)
    up, down = nn.Linear(4, 6), nn.Linear(6, 4)
    trunk = nn.ModuleDict({"up": up, "down": down})
    Parallel(width=3, scale=2)(trunk, "items=X", True)
    for parameter in trunk.parameters():
        nn.init.normal_(parameter)
    adapter = trunk.get_submodule("down.adapter")
    x = torch.randn(5, 4)
    inner = up(x)
    wanted = down(inner) + 2 * adapter.up(F.gelu(adapter.down(x)))  # type: ignore[operator]
    assert torch.allclose(trunk["down"](trunk["up"](x)), wanted)


def test_refusals() -> None:
    text = (
        "tuning=houlsby needs the ends of transformer layers, and items=X has none that it knows by name among a. "
        "Set tuning=lora."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Houlsby()(nn.ModuleDict({"a": nn.Linear(2, 2)}), "items=X", True)
    text = (
        "tuning=parallel needs both ends of a feed-forward part, and items=X has no beginning that it knows by name "
        "for down. Set tuning=pfeiffer."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Parallel()(nn.ModuleDict({"down": nn.Linear(2, 2)}), "items=X", True)
    with pytest.raises(ValueError, match=r"^tuning.width must be positive, got 0. Set tuning.width.$"):
        Pfeiffer(width=0)

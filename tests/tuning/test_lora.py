"""Which layers LoRA touches, the update by hand, and the refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.items.fused import FusedItems
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.lora import Lora

Model = Callable[..., str]


def touched(trunk: nn.Module) -> set[str]:
    """Names of the layers with an update, as they were before."""
    return {name.partition(".lora_")[0] for name, p in trunk.named_parameters() if p.requires_grad}


def linears(trunk: nn.Module, pattern: str) -> set[str]:
    return {n for n, m in trunk.named_modules() if isinstance(m, nn.Linear) and re.search(pattern, n)}


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"layers": None}, r"layer\."),
        ({"layers": 1}, r"layer\.2\."),
        ({"layers": 2}, r"layer\.[12]\."),
        ({"layers": 2, "modules": ["query", "value"]}, r"layer\.[12]\..*(query|value)"),
        ({"layers": None, "modules": ["layer.0.attention"]}, r"layer\.0\.attention"),
    ],
)
def test_which_layers_it_touches(options: dict[str, Any], pattern: str, language_model: Model) -> None:
    trunk = AutoModel.from_pretrained(language_model("bert"), add_pooling_layer=False)
    wanted = linears(trunk, pattern)
    Lora(**options)(trunk, "items", True)
    assert touched(trunk) == wanted


def test_the_update_by_hand() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 3))
    weight, bias = trunk[0].weight.detach().clone(), trunk[0].bias.detach().clone()
    Lora(rank=2, alpha=6)(trunk, "items", True)
    a, b = (trunk.get_parameter(f"0.lora_{x}.default.weight") for x in "AB")
    assert a.shape == (2, 4)
    assert not b.any()
    nn.init.normal_(b)
    x = torch.randn(5, 4)
    assert torch.allclose(trunk(x), x @ (weight + 3 * b @ a).T + bias, atol=1e-6)
    merged = Lora().merge(trunk)
    assert set(merged.state_dict()) == {"0.weight", "0.bias"}
    assert torch.allclose(merged[0].weight, weight + 3 * b @ a, atol=1e-6)  # type: ignore[index]


def test_a_backbone_as_target(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    backbone, many, inputs = SASRec(16, max_length=8).eval(), batch([8], 9), torch.randn(1, 8, 16)
    before = backbone.states(many, inputs)
    backbone.pretrained = True
    apply(Lora(target="backbone", layers=1), {"backbone": backbone})
    assert torch.equal(backbone.states(many, inputs), before)
    assert touched(backbone.blocks) == linears_before(16)
    assert backbone.position.weight.requires_grad  # what is no part of the trunk trains
    for name, parameter in backbone.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    assert not torch.allclose(backbone.states(many, inputs), before, atol=1e-2)


def linears_before(width: int) -> set[str]:
    return linears(SASRec(width, max_length=8).blocks, r"^1\.")


@pytest.mark.parametrize("fusion", ["sum", "concat"])
def test_fused_items_keep_their_ids_trained(fusion: Any, cache: Path, catalog: Catalog, language_model: Model) -> None:
    def text(catalog: Catalog, width: int) -> TextItems:
        return TextItems(catalog, width, language_model("bert"), max_tokens=20, fresh=None)

    items = FusedItems(catalog, 16, {"id": IdItems, "text": text}, fusion)
    names = set(items.state_dict())
    apply(Lora(layers=1), {"items": items})
    trained = {name for name, p in items.named_parameters() if p.requires_grad}
    outside = {n for n in names if not n.startswith("parts.text.encoder.")}
    assert trained == outside | {n for n in trained if "lora_" in n}
    assert {n.split(".lora_")[0] for n in trained - outside} == {
        f"parts.text.encoder.{n}" for n in linears(text(catalog, 16).encoder, r"layer\.2\.")
    }
    assert not {n for n in items.state_dict() if "trunk" in n}


def test_modules_that_match_nothing_up_there() -> None:
    trunk = nn.ModuleList(nn.ModuleDict({"up": nn.Linear(2, 2), "down": nn.Linear(2, 2)}) for _ in range(3))
    trunk[0]["extra"] = nn.Linear(2, 2)  # type: ignore[index]
    text = (
        "tuning.modules=['extra'] matches none of the linear layers of the topmost 2 layers of items=X; they are "
        "called down, extra, up. Set tuning.modules."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Lora(modules=["extra"], layers=2)(trunk, "items=X", True)
    text = (
        "tuning.modules=['query'] matches none of the linear layers of items=X; they are called down, extra, up. "
        "Set tuning.modules."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Lora(modules=["query"])(trunk, "items=X", True)
    text = "tuning.layers must be 1..3, the layers of items=X, got 4. Set tuning.layers."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Lora(layers=4)(trunk, "items=X", True)


def test_ids_have_no_linear_layer(catalog: Catalog) -> None:
    text = (
        "tuning=lora needs linear layers, and items=IdItems (Embedding) has none. "
        "Set tuning=full, or choose items with an encoder (items=text), or tuning.target=backbone."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        apply(Lora(), {"items": IdItems(catalog, 4)})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rank": 0}, "tuning.rank must be positive, got 0. Set tuning.rank."),
        ({"alpha": -1.0}, "tuning.alpha must be positive, got -1.0. Set tuning.alpha."),
        ({"layers": 0}, "tuning.layers must be positive, got 0. Set tuning.layers."),
        ({"lr_factor": 0.0}, "tuning.lr_factor must be positive, got 0.0. Set tuning.lr_factor."),
        ({"dropout": 1.0}, "tuning.dropout must be in [0, 1), got 1.0. Set tuning.dropout."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Lora(**changes)

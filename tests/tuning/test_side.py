"""The side network by hand, that the encoder is run once ever, and the refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel

from rec_lightning.contracts import Aside, Catalog
from rec_lightning.items.fused import FusedItems
from rec_lightning.items.id import IdItems
from rec_lightning.items.text import TextItems
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.side import Side, SideNetwork

Model = Callable[..., str]


def tuned(catalog: Catalog, model: str, **options: Any) -> TextItems:
    torch.manual_seed(0)
    items = TextItems(catalog, 16, model, max_tokens=20, fresh=None)
    apply(Side(width=4, **options), {"items": items})
    return items


@pytest.mark.parametrize(("every", "chosen"), [(1, [0, 1, 2, 3]), (2, [1, 3]), (3, [0, 3])])
def test_by_hand(every: int, chosen: list[int], cache: Path, catalog: Catalog, language_model: Model) -> None:
    network: Any = tuned(catalog, language_model("bert"), every=every).encoder
    assert isinstance(network, Aside)
    for parameter in (*network.blocks.parameters(), network.gates, network.scale):
        nn.init.normal_(parameter, std=0.3)
    states = torch.randn(5, 4, 32)
    read = [
        (h - h.mean(1, keepdim=True)) / (h.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        for h in (states[:, i] for i in chosen)
    ]
    x = read[0]
    for i, block in enumerate(network.blocks):
        if i:
            gate = 1 / (1 + torch.exp(-network.gates[i - 1]))
            x = gate * x + (1 - gate) * read[i]
        x = x + F.gelu(x @ block.down.weight.T + block.down.bias) @ block.up.weight.T + block.up.bias
    assert torch.allclose(network.beside(states), states[:, 3] + network.scale * x, atol=1e-5)


def test_the_encoder_is_run_once_ever(
    cache: Path, catalog: Catalog, language_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = language_model("bert")
    first = tuned(catalog, folder)
    table = first.table().detach()
    for options in ({}, {"every": 1}):  # another start, and another choice of layers
        again = tuned(catalog, folder, **options)
        monkeypatch.setattr(again.encoder.frozen, "forward", lambda **_: pytest.fail("the encoder ran"))
        assert torch.allclose(again.eval().table(), table, atol=1e-6)  # starts as the frozen encoder
        again.train().table().square().sum().backward()
        assert not any(p.requires_grad for p in again.encoder.frozen.parameters())
        assert again.encoder.scale.grad is not None


def test_a_fused_part(cache: Path, catalog: Catalog, language_model: Model) -> None:
    def text(catalog: Catalog, width: int) -> TextItems:
        return TextItems(catalog, width, language_model("bert"), max_tokens=20, fresh=None)

    items = FusedItems(catalog, 16, {"id": IdItems, "text": text})
    apply(Side(), {"items": items})
    assert isinstance(items.trunk["text"], SideNetwork)  # type: ignore[index]
    items.table().sum().backward()


def test_refusals(language_model: Model) -> None:
    text = "tuning=side reads states that only items keep, got tuning.target=all. Set tuning.target=items."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Side(target="all")
    with pytest.raises(ValueError, match=r"^tuning.width must be positive, got 0. Set tuning.width.$"):
        Side(width=0)
    with pytest.raises(ValueError, match=r"^tuning.every must be 1..3, the layers of items=X, got 4. Set tuning.ev"):
        Side(every=4)(AutoModel.from_pretrained(language_model("bert")), "items=X", True)

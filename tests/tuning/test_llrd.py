"""Layers counted from the top: which train, and at which rate."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from torch import nn
from transformers import AutoModel

from rec_lightning.items.layers import frozen_below
from rec_lightning.tuning.llrd import Llrd
from rec_lightning.tuning.top_layers import TopLayers

Model = Callable[..., str]


def test_rates_by_hand(language_model: Model) -> None:
    trunk = AutoModel.from_pretrained(language_model("llama"))
    tuning = Llrd(decay=0.5, rate=0.8)
    tuning(trunk, "items=X", True)
    rates = tuning.lr_factor(trunk)
    assert set(rates) == {n for n, _ in trunk.named_parameters()}
    found = {re.sub(r"(\d).*", r"\1", name): rate for name, rate in rates.items()}
    assert found == {
        "embed_tokens.weight": 0.1,
        "layers.0": 0.2,
        "layers.1": 0.4,
        "layers.2": 0.8,
        "norm.weight": 0.8,
    }


@pytest.mark.parametrize(("family", "outside"), [("bert", set()), ("llama", {"norm.weight"})])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_topmost_layers_train_and_the_rest_is_cached(
    family: str, outside: set[str], layers: int, language_model: Model
) -> None:
    trunk = TopLayers(layers=layers)(AutoModel.from_pretrained(language_model(family)), "items=X", True)
    trunk.pooler = None  # as the text items have it
    trained = {n for n, p in trunk.named_parameters() if p.requires_grad}
    assert {int(n) for name in trained - outside for n in re.findall(r"layers?\.(\d)", name)} == set(
        range(3 - layers, 3)
    )
    assert outside <= trained
    assert frozen_below(trunk) == 3 - layers


def test_refusals() -> None:
    trunk = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    text = "tuning.layers must be 1..2, the layers of items=X, got 3. Set tuning.layers."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        TopLayers(layers=3)(trunk, "items=X", True)
    text = "tuning.decay must be in (0, 1), got 1.0. Set tuning.decay, or tuning=full."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Llrd(decay=1.0)
    text = (
        "tuning=llrd would slow the lower layers of backbone=X, in which nothing was learnt before that must be kept. "
        "Set tuning=full, or choose pretrained items (items=text)."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Llrd()(trunk, "backbone=X", False)

"""Which layers get factors, and on which side."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import AutoModel

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.tuning.ia3 import Ia3


def factors(trunk: nn.Module) -> dict[str, int]:
    """Name within its layer -> how many factors."""
    trained = {n: p for n, p in trunk.named_parameters() if p.requires_grad}
    return {re.sub(r".*\d\.|\.ia3_l.*", "", n): p.numel() for n, p in trained.items()}


def test_roles_in_three_families(language_model: Callable[..., str]) -> None:
    bert = AutoModel.from_pretrained(language_model("bert"), add_pooling_layer=False)
    assert factors(Ia3()(bert, "items=X", True)) == {
        "attention.self.key": 32,
        "attention.self.value": 32,
        "output.dense": 64,
    }
    llama = AutoModel.from_pretrained(language_model("llama"))
    keys_values = llama.layers[0].self_attn.k_proj.out_features
    assert factors(Ia3()(llama, "items=X", True)) == {
        "self_attn.k_proj": keys_values,
        "self_attn.v_proj": keys_values,
        "mlp.down_proj": 64,
    }
    assert factors(Ia3()(SASRec(8, 4).blocks, "backbone=X", False)) == {
        "attention.key": 8,
        "attention.value": 8,
        "ffn.down": 32,
    }


def test_outputs_or_inputs_are_scaled() -> None:
    trunk = nn.ModuleDict({"key": nn.Linear(4, 4), "down": nn.Linear(6, 4)})
    weights = {name: layer.weight.detach().clone() for name, layer in trunk.items()}  # type: ignore[union-attr]
    Ia3()(trunk, "items=X", True)
    for parameter in trunk.parameters():
        if parameter.requires_grad:
            nn.init.uniform_(parameter, 1, 2)
    key, down = (trunk.get_parameter(f"{n}.ia3_l.default").detach().flatten() for n in ("key", "down"))
    plain = Ia3().merge(trunk)
    assert torch.allclose(plain.get_parameter("key.weight"), key.unsqueeze(1) * weights["key"])
    assert torch.allclose(plain.get_parameter("down.weight"), down * weights["down"])


def test_no_known_role() -> None:
    text = (
        "tuning=ia3 needs keys, values or a feed-forward part, and items=X has none that it knows by name. "
        "Set tuning.modules to parts of the names of the linear layers to scale, or tuning=lora."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Ia3()(nn.Sequential(nn.Linear(4, 4)), "items=X", True)
    trunk = Ia3(modules=["0"])(nn.Sequential(nn.Linear(4, 4)), "items=X", True)
    assert trunk.get_parameter("0.ia3_l.default").numel() == 4

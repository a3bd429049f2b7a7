"""Virtual tokens: only real tokens come out, padding says nothing, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel

from rec_lightning.tuning.p_tuning import PTuning
from rec_lightning.tuning.prefix import Prefix
from rec_lightning.tuning.prompt import Prompt

METHODS = [Prefix, Prompt, PTuning]
Model = Callable[..., str]


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("method", METHODS)
def test_real_tokens_come_out_and_padding_says_nothing(method: Any, family: str, language_model: Model) -> None:
    torch.manual_seed(0)
    trunk = AutoModel.from_pretrained(language_model(family))
    alone = trunk.eval()
    ids = torch.tensor([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])
    before = alone(input_ids=ids[:1, :3], attention_mask=torch.ones(1, 3)).last_hidden_state
    tuned = method(count=4)(trunk, "items=X", True).eval()
    padded = tuned(input_ids=ids, attention_mask=(ids > 0).long()).last_hidden_state
    short = tuned(input_ids=ids[:1, :3], attention_mask=torch.ones(1, 3, dtype=torch.long)).last_hidden_state
    assert padded.shape == (2, 5, 32)
    assert torch.allclose(padded[:1, :3], short, atol=1e-5)
    assert not torch.allclose(short, before, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_several_models_get_tokens_of_their_own(method: Any, language_model: Model) -> None:
    pair = nn.ModuleDict({name: AutoModel.from_pretrained(language_model(name)) for name in ("bert", "llama")})
    tuned = method(count=4)(pair, "items=FusedItems", True)
    trained = [n for n, p in tuned.named_parameters() if p.requires_grad]
    assert {n.split(".prompt_encoder.")[0] for n in trained} == {"bert.model", "llama.model"}


@pytest.mark.parametrize("method", METHODS)
def test_refusals(method: Any, language_model: Model) -> None:
    slug = {"PTuning": "p_tuning"}.get(method.__name__, method.__name__.lower())
    text = (
        f"tuning={slug} needs a Hugging Face model to put tokens in front of, and backbone=X (Linear) is none. "
        "Set tuning=lora or tuning=full, or choose items=text and tuning.target=items."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        method()(nn.Sequential(nn.Linear(2, 2)), "backbone=X", False)
    with pytest.raises(ValueError, match=r"^tuning.count must be positive, got 0. Set tuning.count.$"):
        method(count=0)
    tuned = method(count=8)(AutoModel.from_pretrained(language_model("bert")), "items=X", True)
    text = (
        "the model has 40 positions, got a text of 33 tokens and 8 virtual ones. "
        "Set items.max_tokens=32, or tuning.count."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        tuned(input_ids=torch.ones(1, 33, dtype=torch.long), attention_mask=torch.ones(1, 33))

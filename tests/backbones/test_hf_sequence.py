"""What goes into the Hugging Face model and comes out, against the model called by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel

from rec_lightning.backbones.hf_sequence import HFSequence
from rec_lightning.backbones.hf_trunks import fresh, pretrained
from rec_lightning.contracts import Batch
from rec_lightning.tuning.prefix import Prefix
from rec_lightning.tuning.prompt import Prompt

Make = Callable[..., Batch]
Model = Callable[..., str]


@pytest.mark.parametrize("prompt", [0, 3])
def test_is_the_model_between_two_projections(prompt: int, batch: Make, language_model: Model) -> None:
    torch.manual_seed(0)
    model = AutoModel.from_pretrained(language_model("llama")).eval()
    trunk = partial(pretrained, model=language_model("llama"))
    ours, inputs = HFSequence(16, 8, trunk, prompt=prompt).eval(), torch.randn(1, 5, 16)
    x = ours.into(inputs)
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    x = x * model.embed_tokens.weight.std()  # the size of the vectors that the model knows
    if prompt:
        assert ours.prompt is not None
        x = torch.cat([ours.prompt[None], x], 1)
    states = model(inputs_embeds=x, attention_mask=torch.ones(1, 5 + prompt)).last_hidden_state[:, prompt:]
    expected = ours.out(ours.output_norm(states))
    assert torch.allclose(ours.states(batch([5], 9), inputs), expected, atol=1e-5)


def test_a_prompt_speaks_and_learns(batch: Make) -> None:
    torch.manual_seed(0)
    model, inputs = HFSequence(16, 8, fresh, prompt=2).eval(), torch.randn(1, 5, 16)
    before = model.states(batch([5], 9), inputs)
    before.square().sum().backward()
    assert model.prompt is not None
    assert model.prompt.grad is not None
    assert model.prompt.grad.abs().sum(1).all()
    with torch.no_grad():
        model.prompt.mul_(-1)
    assert not torch.allclose(model.states(batch([5], 9), inputs), before, atol=1e-4)


def test_pretrained_weights_and_their_base_are_told(language_model: Model, cache: object) -> None:
    folder = language_model("llama")
    one, two = HFSequence(16, 8, partial(pretrained, model=folder)), HFSequence(16, 8, fresh)
    assert (one.pretrained, two.pretrained, two.base) == (True, False, None)
    assert one.base is not None
    assert one.base["name"] == folder
    assert len(one.base["weights"]) == 64


def test_checkpointing_of_the_model_gives_the_same_gradients(batch: Make, language_model: Model) -> None:
    torch.manual_seed(0)
    model = HFSequence(16, 8, partial(pretrained, model=language_model("llama")), dropout=0.0).train()
    inputs, gradients = torch.randn(2, 8, 16), list[list[torch.Tensor]]()
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    model.trunk.layers[0].mlp.register_forward_pre_hook(count)  # type: ignore[union-attr, index]
    for enable in (False, True):
        if enable:
            model.trunk.activation_checkpointing_enable()  # type: ignore[operator]
        model.zero_grad()
        model.states(batch([8, 8], 9), inputs).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert calls == 3  # once, then once forward and once more backward
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("method", [Prompt, Prefix])
def test_virtual_tokens_of_a_tuning_change_no_order(method: Any, batch: Make, language_model: Model) -> None:
    torch.manual_seed(0)
    model = HFSequence(16, 8, partial(pretrained, model=language_model("llama")))
    model.set_trunk(method(target="backbone", count=4)(model.trunk, "backbone=HFSequence", True))
    model.eval()
    inputs = torch.randn(1, 8, 16, requires_grad=True)
    many = batch([8], 9)
    found = model.states(many, inputs)
    assert found.shape == (1, 8, 16)
    found[:, 3].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.any(2).tolist() == [[True] * 4 + [False] * 4]
    short = model.states(batch([3], 9), inputs[:, :3])
    assert torch.allclose(short, found[:, :3], atol=1e-5)


def test_no_positions_for_virtual_tokens(batch: Make, language_model: Model) -> None:
    model = HFSequence(16, 40, partial(pretrained, model=language_model("llama")))
    model.set_trunk(Prompt(target="backbone", count=4)(model.trunk, "backbone=HFSequence", True))
    text = "the model has 40 positions, got a history of 38 and 4 virtual tokens. Set max_length, or tuning.count."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        model.states(batch([38], 9), torch.randn(1, 38, 16))


def test_dropout_works_in_training_only(batch: Make) -> None:
    torch.manual_seed(0)
    for dropouts in ({"dropout": 0.5}, {"dropout": 0.0, "trunk": partial(fresh, architecture="gpt2", dropout=0.5)}):
        model = HFSequence(16, 8, **({"trunk": partial(fresh, dropout=0.0)} | dropouts))  # type: ignore[arg-type]
        inputs, many = torch.randn(1, 5, 16), batch([5], 9)
        assert not torch.equal(model.train().states(many, inputs), model.states(many, inputs))
        assert torch.equal(model.eval().states(many, inputs), model.states(many, inputs))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"prompt": -1}, "backbone.prompt must be at least 0, got -1. Set backbone.prompt."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        HFSequence(8, 5, fresh, **changes)


def test_no_vocabulary_is_kept(language_model: Model) -> None:
    for family in ("llama", "gpt2", "bert"):
        model = HFSequence(16, 8, partial(pretrained, model=language_model(family)))
        assert isinstance(model.trunk, nn.Module)
        assert not [n for n, p in model.named_parameters() if p.shape[0] == 22]
        assert not [n for n, _ in model.named_modules() if n.endswith(("lm_head", "pooler"))]
        assert model.trunk.config.use_cache is False  # type: ignore[union-attr]
        assert model.trunk(inputs_embeds=torch.zeros(1, 2, 32)).get("past_key_values") is None

"""Which Hugging Face models become trunks, and which are refused with what."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from rec_lightning.backbones import hf_trunks
from rec_lightning.backbones.hf_sequence import HFSequence
from rec_lightning.backbones.hf_trunks import fresh, pretrained
from rec_lightning.contracts import Batch

Make = Callable[..., Batch]
Model = Callable[..., str]

NONE = {"heads": None, "ffn_factor": None}
# causal families with attention of all kinds, two-sided ones made causal, and recurrences
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {},
    "bert": {},
    "roberta": {},
    "electra": {"options": {"embedding_size": 32}},
    "qwen3": {},
    "gemma3_text": {},
    "opt": {},
    "gpt_neox": {},
    "falcon": {},
    "bloom": {"ffn_factor": None},
    "modernbert-decoder": {},
    "mixtral": {},
    "mamba": NONE,
    "mamba2": NONE | {"options": {"num_heads": 4, "head_dim": 16, "n_groups": 1}},
    "rwkv": {"heads": None},
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_look_ahead_and_batched_equals_single(architecture: str, batch: Make) -> None:
    torch.manual_seed(0)
    options = {"hidden": 32, "heads": 4, "ffn_factor": 2} | ARCHITECTURES[architecture]
    model = HFSequence(16, 8, partial(fresh, architecture=architecture, **options)).eval()
    many = batch([8, 3, 1], 30)
    inputs = torch.randn(3, 8, 16) * (many.history > 0).unsqueeze(2)
    with torch.no_grad():
        found = model.states(many, inputs)
        for row, length in enumerate([8, 3, 1]):
            alone = Batch(many.user[:1], many.history[row : row + 1, :length], many.length[:1], many.target[:1])
            one = model.states(alone, inputs[row : row + 1, :length])
            assert torch.allclose(one[0], found[row, :length], atol=1e-5)
        inputs[:, 5:] += 1
        assert torch.allclose(model.states(many, inputs)[:, :5], found[:, :5], atol=1e-5)
    with torch.device("meta"):
        empty = HFSequence(16, 8, partial(fresh, architecture=architecture, **options))
    assert {n: p.shape for n, p in empty.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}


def test_the_sizes_asked_for_are_the_sizes() -> None:
    model = fresh(10, "qwen3", hidden=48, layers=3, heads=6, ffn_factor=3).model
    assert len(model.layers) == 3
    assert model.layers[0].mlp.up_proj.weight.shape == (144, 48)
    assert model.layers[0].self_attn.q_proj.weight.shape == (48, 48)
    assert model.config.num_attention_heads == 6
    assert fresh(10, "gpt2", hidden=48, heads=6, ffn_factor=3).model.h[0].mlp.c_fc.weight.shape == (48, 144)


def test_only_the_lowest_layers_are_kept(language_model: Model, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = language_model("llama")
    whole = AutoModel.from_pretrained(folder).eval()
    part = pretrained(8, folder, layers=2).model.eval()
    assert len(part.layers) == 2
    assert "UNEXPECTED" not in capfd.readouterr().err  # what is left out on purpose is no report
    inputs = torch.randn(1, 5, 32)
    states = whole(inputs_embeds=inputs, output_hidden_states=True).hidden_states[2]
    assert torch.allclose(part(inputs_embeds=inputs).last_hidden_state, whole.norm(states), atol=1e-6)


FRESH = [
    ({"heads": 3}, "backbone.trunk.heads must divide backbone.trunk.hidden 64, got 3. Set backbone.trunk.heads."),
    ({"layers": 0}, "backbone.trunk.layers must be at least 1, got 0. Set backbone.trunk.layers."),
    ({"dropout": 1.0}, "backbone.trunk.dropout must be in [0, 1), got 1.0. Set backbone.trunk.dropout."),
    ({"options": {"zzz": 1}}, "backbone.trunk.options.zzz is no option of llama. Set backbone.trunk.options."),
    (
        {"architecture": "lla"},
        "backbone.trunk.architecture must be a model type of transformers, such as llama, gpt2 or mamba, got 'lla'. "
        "Set backbone.trunk.architecture.",
    ),
    (
        {"architecture": "mamba"},
        "backbone.trunk.heads=2 has no effect on mamba. Set backbone.trunk.heads=null.",
    ),
    (
        {"architecture": "distilbert"},
        "backbone.trunk.architecture must be a causal language model, and distilbert (distilbert) is none. "
        "Set backbone.trunk.architecture, or choose backbone=bert4rec.",
    ),
    (
        {"architecture": "electra"},
        "electra cannot run over 10 vectors of its width 64: The size of tensor a (64) must match the size of tensor "
        "b (128) at non-singleton dimension 2. Set backbone.trunk.",
    ),
]


@pytest.mark.parametrize(("changes", "text"), FRESH)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        fresh(10, **changes)


def test_a_configuration_that_the_architecture_refuses() -> None:
    with pytest.raises(ValueError, match=r"^backbone.trunk makes no mamba2: .*Set backbone.trunk.options, or another"):
        fresh(10, "mamba2", heads=None, ffn_factor=None)


def test_pretrained_models_that_do_not_fit(language_model: Model, tmp_path: Path, cache: Path) -> None:
    llama = language_model("llama")
    text = f"max_length and backbone.prompt need 41 positions together, and {llama} has 40. Set max_length."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        HFSequence(16, 38, partial(pretrained, model=llama), prompt=3)
    text = f"backbone.trunk.layers must be 1..3, the layers of {llama}, got 4. Set backbone.trunk.layers."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        pretrained(8, llama, layers=4)
    mpnet = language_model("mpnet")
    text = f"backbone.trunk.model must be a causal language model, and {mpnet} (mpnet) is none. "
    with pytest.raises(ValueError, match=f"^{re.escape(text)}Set backbone.trunk.model, or choose backbone=bert4rec.$"):
        pretrained(8, mpnet)
    with pytest.raises(
        FileNotFoundError, match=r"^there is no GGUF file .*x\.gguf\. Set backbone\.trunk\.model to one"
    ):
        pretrained(8, str(tmp_path / "x.gguf"))


def test_a_model_that_looks_ahead_is_found_out(language_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    bert = language_model("bert")
    pretrained(8, bert)  # with a causal mask
    monkeypatch.setattr(hf_trunks, "_causal", lambda config, *_: config)
    text = f"the states of {bert} see later items, so it cannot train. Set backbone.trunk to another one."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        pretrained(8, bert)


def test_trying_a_model_draws_no_random_number(language_model: Model) -> None:
    before = torch.get_rng_state()
    pretrained(8, language_model("llama"))
    assert torch.equal(torch.get_rng_state(), before)

"""The real SmolLM2-135M: what its GGUF file holds, as an encoder of texts, and over item vectors."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from rec_lightning.backbones.hf_sequence import HFSequence
from rec_lightning.backbones.hf_trunks import pretrained
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.downloads import cache_dir, cached_wheel
from rec_lightning.items.text import TextItems
from rec_lightning.language_models import PACKED, locate
from rec_lightning.tuning.lora import Lora

(SMOL,) = PACKED


@pytest.fixture
def smol(monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of SmolLM2-135M in the user's own cache, where it is or can be fetched."""
    pytest.importorskip("gguf", reason="needs the extra gguf")
    if not cached_wheel(PACKED[SMOL]).is_dir() and os.environ.get("HF_HUB_OFFLINE"):
        pytest.skip("SmolLM2 is not in the cache, and the network is not to be asked")
    try:
        return locate(SMOL)
    except FileNotFoundError as error:
        pytest.skip(f"{error} (cache: {cache_dir()})")


@pytest.mark.slow
@pytest.mark.net
def test_smollm2_knows_a_capital(smol: str) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(smol), AutoModelForCausalLM.from_pretrained(smol).eval()
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        best = model(ids).logits[0, -1].argmax()
    assert tokenizer.decode(best).strip() == "Paris"


@pytest.mark.slow
@pytest.mark.net
def test_it_reads_texts_as_it_does_alone(smol: str) -> None:
    titles = ["Toy Story (1995)", "A Bug's Life", "The Silence of the Lambs (1991), Thriller, Drama"]
    catalog = Catalog(pl.DataFrame({"item": [1, 2, 3], "title": titles}), np.ones(4, np.int64))
    items = TextItems(catalog, 16, SMOL, "{title}", pooling="last", fresh=None)
    items.encoder.requires_grad_(True)  # so that nothing comes from the cache on disk
    tokenizer, model = AutoTokenizer.from_pretrained(smol), AutoModel.from_pretrained(smol, dtype=torch.float32).eval()
    with torch.no_grad():
        alone = [model(**tokenizer(t, return_tensors="pt")).last_hidden_state[0, -1] for t in titles]
        assert torch.allclose(items.eval().pooled(torch.arange(1, 4)), torch.stack(alone), rtol=1e-4, atol=1e-3)


@pytest.mark.slow
@pytest.mark.net
def test_it_runs_over_item_vectors(smol: str) -> None:
    torch.manual_seed(0)
    model = HFSequence(16, 8, partial(pretrained, model=SMOL), dropout=0.0)
    assert sum(p.numel() for p in model.trunk.parameters()) == 106_203_456  # of 134,515,008 with the vocabulary
    model.set_trunk(Lora(target="backbone", modules=["q_proj", "v_proj"])(model.trunk, "backbone=HFSequence", True))
    length, place = torch.tensor([8, 3]), torch.arange(8)
    history = torch.where(place < length.unsqueeze(1), place + 1, 0)
    inputs = torch.randn(2, 8, 16) * (history > 0).unsqueeze(2)
    many = Batch(length, history, length, history)
    with torch.no_grad():
        found = model.eval().states(many, inputs)
        short = model.states(Batch(length[1:], history[1:, :3], length[1:], history[1:, :3]), inputs[1:, :3])
    assert torch.allclose(short[0], found[1, :3], atol=1e-4)
    model.train().states(many, inputs).square().mean().backward()
    trained = {n.split("lora_")[-1][:1] for n, p in model.trunk.named_parameters() if p.grad is not None}
    assert trained == {"A", "B"}

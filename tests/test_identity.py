"""What counts as the same pretrained model, and that its hash is computed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from rec_lightning import identity as module
from rec_lightning.contracts import Catalog
from rec_lightning.identity import identity, tokenizer_hash, weights_hash
from rec_lightning.items.text import TextItems

Model = Callable[..., str]


def test_the_same_weights_in_another_folder_are_the_same_model(
    cache: Path, language_model: Model, tmp_path: Path
) -> None:
    one = language_model("bert")
    encoder, tokenizer = AutoModel.from_pretrained(one), AutoTokenizer.from_pretrained(one)
    encoder.save_pretrained(tmp_path, max_shard_size="20kB")  # several files
    found = identity("a", encoder, tokenizer)
    assert found == {"name": "a", "weights": weights_hash(encoder), "tokenizer": tokenizer_hash(tokenizer)}
    assert identity("b", AutoModel.from_pretrained(tmp_path), tokenizer) == found | {"name": "b"}


def test_one_changed_number_is_another_model(language_model: Model) -> None:
    encoder = AutoModel.from_pretrained(language_model("bert"))
    before = weights_hash(encoder)
    with torch.no_grad():
        encoder.get_input_embeddings().weight[3, 5] += 1e-6
    assert weights_hash(encoder) != before


def test_a_tokenizer_that_lowers_case_is_another_one(language_model: Model) -> None:
    from tokenizers import normalizers

    tokenizer = AutoTokenizer.from_pretrained(language_model("bert"))
    tokenizer.add_tokens(["arrows"])
    before = tokenizer_hash(tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert tokenizer_hash(tokenizer) != before


def test_a_second_start_reads_the_hash(cache: Path, language_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = language_model("bert")
    encoder, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    first = identity("a", encoder, tokenizer)
    monkeypatch.setattr(module, "weights_hash", lambda _: pytest.fail("computed again"))
    assert identity("a", encoder, tokenizer) == first


def test_fewer_layers_of_the_same_files_are_another_model(cache: Path, language_model: Model) -> None:
    whole, part = (AutoModel.from_pretrained(language_model("bert"), num_hidden_layers=n) for n in (3, 2))
    hashes = [identity("a", encoder) for encoder in (whole, part)]
    assert hashes == [{"name": "a", "weights": weights_hash(encoder)} for encoder in (whole, part)]
    assert hashes[0] != hashes[1]


def test_items_say_their_base_and_without_weights_none(cache: Path, catalog: Catalog, language_model: Model) -> None:
    folder = language_model("bert")
    encoder = AutoModel.from_pretrained(folder)
    items = TextItems(catalog, 16, folder, max_tokens=20)
    assert items.base["name"] == folder
    assert items.base["weights"] == weights_hash(encoder)
    with torch.device("meta"):
        assert TextItems(Catalog.empty(["title"]), 16, folder, max_tokens=20).base == {}

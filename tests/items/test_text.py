"""Text items against the plain use of a Hugging Face model, and what is cached against what is computed anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from rec_lightning.contracts import Catalog
from rec_lightning.items import hidden
from rec_lightning.items.layers import frozen_below, layers_of
from rec_lightning.items.text import Pooling, TextItems
from rec_lightning.items.text_vectors import TextVectors
from rec_lightning.tuning.lora import Lora

Model = Callable[..., str]


def made(catalog: Catalog, model: str, **options: Any) -> TextItems:
    torch.manual_seed(0)
    given = {"max_tokens": 20, "fresh": None, "chunk_tokens": 40} | options
    return TextItems(catalog, 16, model, **given)


def by_hand(catalog: Catalog, model: str, pooling: Pooling) -> Tensor:
    """(N, H): one text at a time, nothing padded."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    rows = []
    for text in catalog.items["title"]:
        states = encoder(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0]
        rows.append({"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling])
    return torch.stack(rows).detach()


FAMILIES = (
    "bert roberta mpnet distilbert electra deberta-v2 albert modernbert llama qwen2 gemma3_text gpt2 t5 bart".split()
)
EXTRA: dict[str, dict[str, Any]] = {
    "roberta": {"pad_token_id": 0},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16, "inner_group_num": 1},
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    "t5": {"d_kv": 8, "d_ff": 64},
    "bart": {"encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_start_token_id": 2},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8},
}


def folder(language_model: Model, family: str) -> str:
    return language_model(family, **EXTRA.get(family, {}))


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_pooling_equals_one_text_at_a_time(
    pooling: Pooling, family: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    model = folder(language_model, family)
    items, reference = made(catalog, model, pooling=pooling), by_hand(catalog, model, pooling)
    direct = items.eval().pooled(torch.arange(13))
    frozen = made(catalog, model, pooling=pooling)
    frozen.encoder.requires_grad_(False)
    for found in (direct, frozen.pooled(torch.arange(13)), frozen.pooled(torch.arange(13))):
        assert not found[0].any()
        assert torch.allclose(found[1:], reference, atol=1e-5)


@pytest.mark.parametrize("chunk_tokens", [1, 17, 10_000])
def test_neither_chunks_nor_company_matter(
    chunk_tokens: int, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, language_model("bert"), chunk_tokens=chunk_tokens).eval()
    reference = made(catalog, language_model("bert")).eval().table()
    assert torch.allclose(items.table(), reference, atol=1e-5)
    some = torch.tensor([5, 0, 12, 5, 1])
    assert torch.allclose(items.vectors(some), reference[some], atol=1e-5)
    assert torch.allclose(items.vectors(torch.tensor([7])), reference[[7]], atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_going_on_from_the_border_equals_the_full_forward(
    family: str, layers: int, cache: Path, catalog: Catalog, language_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tuned() -> TextItems:
        items = made(catalog, folder(language_model, family))
        Lora(layers=min(layers, len(layers_of(items.encoder))))(items.encoder, "items", True)
        generator = torch.Generator().manual_seed(1)
        for name, parameter in items.encoder.named_parameters():
            if "lora_B" in name:  # as after some steps
                nn.init.normal_(parameter, std=0.1, generator=generator)
        return items

    short, full = tuned(), tuned()
    border = frozen_below(short.encoder)
    assert border == (0 if family == "albert" else 3 - layers)  # albert's layers share their weights
    found = short.table()
    monkeypatch.setattr("rec_lightning.items.text.frozen_below", lambda _: 0)
    reference = full.table()
    assert torch.allclose(found, reference, rtol=0, atol=1e-6)
    weight = torch.randn(13, 16)
    (found * weight).sum().backward()
    (reference * weight).sum().backward()
    for (name, mine), theirs in zip(short.named_parameters(), full.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None), name
        if mine.grad is not None and theirs.grad is not None:
            assert torch.allclose(mine.grad, theirs.grad, rtol=1e-5, atol=1e-6), name
    # the detour leaves the encoder as it was
    assert torch.equal(full.table(), reference)
    assert set(short.state_dict()) == set(full.state_dict())


@pytest.mark.parametrize(
    ("trains", "border"),
    [
        ("", 4),
        (r"layer\.2\.output", 2),
        (r"layer\.\d\.output", 0),
        ("word_embeddings", 0),
        (r"embeddings\.LayerNorm", 0),  # a norm, but below all layers
    ],
)
def test_where_the_border_lies(trains: str, border: int, language_model: Model) -> None:
    encoder = AutoModel.from_pretrained(language_model("bert"))
    encoder.pooler = None
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(bool(trains) and re.search(trains, name) is not None)
    assert frozen_below(encoder) == border


@pytest.mark.parametrize(("family", "norm"), [("llama", "norm"), ("gpt2", "ln_f")])
def test_a_last_norm_lies_above_all_layers(
    family: str, norm: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, folder(language_model, family)).eval()
    reference = items.table().detach()
    items.encoder.requires_grad_(False)
    getattr(items.encoder, norm).requires_grad_(True)
    assert frozen_below(items.encoder) == 3
    assert torch.allclose(items.table(), reference, atol=1e-6)


def files(cache: Path) -> set[str]:
    return {file.name for file in (cache / "hidden").glob("*")}


def test_the_cache_on_disk_is_read_again_and_never_for_something_else(
    cache: Path, catalog: Catalog, language_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frozen(which: Catalog = catalog, family: str = "bert", seed: int = 0, heads: int = 4, **options: Any) -> Tensor:
        model = language_model(family, seed, num_attention_heads=heads)
        items = made(which, model, **options)
        items.encoder.requires_grad_(False)
        return items.pooled(torch.arange(which.size + 1))

    first = frozen()
    assert len(files(cache)) == 1
    with monkeypatch.context() as patch:
        patch.setattr(hidden, "_encode", lambda *_: pytest.fail("it lies on disk"))
        assert torch.equal(frozen(chunk_tokens=7), first)
    renamed = Catalog(catalog.items.with_columns(title=pl.lit("tau")), catalog.popularity)
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"heads": 2},  # the same weights, read otherwise
        {"which": renamed},
        {"template": "{year}"},
        {"pooling": "cls"},
        {"max_tokens": 4},
    ]
    for number, other in enumerate(others):
        assert not torch.equal(frozen(**other), first)
        assert len(files(cache)) == number + 2
    assert not [name for name in files(cache) if not re.fullmatch(r"[0-9a-f]{32}\.npy", name)]


def test_a_run_under_autocast_leaves_nothing_coarse_behind(
    cache: Path, catalog: Catalog, language_model: Model
) -> None:
    reference = by_hand(catalog, language_model("bert"), "mean")
    for layers in (0, 1):
        with torch.autocast("cpu", torch.bfloat16):
            coarse = made(catalog, language_model("bert"))
            (Lora(layers=1)(coarse.encoder, "items", True) if layers else coarse.encoder.requires_grad_(False))
            coarse.table()
        again = made(catalog, language_model("bert"))
        (Lora(layers=1)(again.encoder, "items", True) if layers else again.encoder.requires_grad_(False))
        assert torch.allclose(again.pooled(torch.arange(13))[1:], reference, atol=1e-5)
    assert len(files(cache)) == 2


def test_filling_the_cache_draws_no_random_number_and_changes_no_mode(
    cache: Path, catalog: Catalog, language_model: Model
) -> None:
    for layers in (0, 1):
        items = made(catalog, language_model("bert"), dropout=0.5)
        Lora(layers=1)(items.encoder, "items", True) if layers else items.encoder.requires_grad_(False)
        items.train()
        items.encoder.get_submodule("embeddings").eval()
        modes, state = [m.training for m in items.modules()], torch.get_rng_state()
        if layers:
            items.hidden.resumed(items.encoder, items.tokens, 2, torch.tensor([1]))
        else:
            items.table()
        assert [m.training for m in items.modules()] == modes
        assert torch.equal(torch.get_rng_state(), state)
    assert len(files(cache)) == 2


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_dropout_is_the_encoders_own_and_works_in_training_only(
    family: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, folder(language_model, family), dropout=0.4).train()
    assert not torch.equal(items.table(), items.table())
    items.eval()
    assert torch.equal(items.table(), items.table())
    none = made(catalog, folder(language_model, family)).train()
    assert torch.equal(none.table(), none.table())


def test_a_training_step_encodes_only_fresh_items_and_banks_them(
    cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, language_model("bert"), fresh=4).train()
    first = items.table()
    assert torch.allclose(first, made(catalog, language_model("bert")).table(), atol=1e-6)
    with torch.no_grad():
        for parameter in items.encoder.parameters():
            parameter.mul_(1.1)
    bank = items.bank.clone()
    table = items.table()
    changed = (items.bank != bank).any(1).nonzero().flatten()
    assert len(changed) == 4
    assert 0 not in changed
    assert torch.equal((table != first).any(1).nonzero().flatten(), changed)
    anew = items.pooled(torch.arange(13))
    assert torch.allclose(items.bank[changed], anew[changed], atol=1e-6)
    assert not items.bank.requires_grad
    # the others' rows carry no gradient into the encoder
    first_weight = next(items.encoder.parameters())
    others = torch.tensor([i for i in range(13) if i not in changed])
    for rows, reached in ((others, False), (changed, True)):
        (gradient,) = torch.autograd.grad(table[rows].pow(3).sum(), [first_weight], retain_graph=True)
        assert bool(gradient.any()) == reached


def test_a_batch_that_asks_for_many_items_encodes_only_fresh_ones_too(
    cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, language_model("bert"), fresh=4).train()
    exact = made(catalog, language_model("bert"))
    few, many = torch.tensor([0, 3, 5, 7, 9]), torch.tensor([0, 1, 3, 4, 5, 7, 8, 11])
    assert torch.allclose(items.vectors(few), exact.vectors(few), atol=1e-6)
    assert not items.bank.numel()  # no more than ``fresh`` were asked for
    first = items.vectors(many)
    assert torch.allclose(first, exact.vectors(many), atol=1e-6)
    assert items.banked.nonzero().flatten().tolist() == many[1:].tolist()
    weight = next(items.encoder.parameters())
    reached = [bool(torch.autograd.grad(row.pow(3).sum(), [weight], retain_graph=True)[0].any()) for row in first]
    assert not reached[0]
    assert sum(reached) == 4
    with torch.no_grad():
        for parameter in items.encoder.parameters():
            parameter.mul_(1.1)
    # an item that was never asked for is as the encoder is now, those that were not drawn as it was then
    second, anew = items.vectors(torch.cat([many, torch.tensor([12])])), items.pooled(torch.arange(13))
    assert torch.allclose(items.bank[12], anew[12], atol=1e-6)
    same = torch.isclose(second[:8], first, atol=1e-7).all(1)
    assert same[0]
    assert 3 <= int(same[1:].sum()) <= 4  # seven, less the four drawn, of which the new one may be one
    items.eval()
    assert torch.allclose(items.vectors(many), items.table()[many], atol=1e-6)


def test_evaluation_encodes_everything_anew_and_leaves_the_bank(
    cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, language_model("bert"), fresh=4).train()
    items.table()
    with torch.no_grad():
        for parameter in items.encoder.parameters():
            parameter.mul_(1.1)
    bank, state = items.bank.clone(), torch.get_rng_state()
    items.eval()
    assert torch.allclose(items.table(), items.vectors(torch.arange(13)), atol=1e-6)
    assert torch.equal(items.bank, bank)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_bank_comes_back_with_a_resume_point(cache: Path, catalog: Catalog, language_model: Model) -> None:
    items, other = (made(catalog, language_model("bert"), fresh=4).train() for _ in range(2))
    items.table()
    other.load_resume_state(items.resume_state())
    assert "bank" not in items.state_dict()
    for one in (items, other):
        torch.manual_seed(5)
        with torch.no_grad():
            one.encoder.get_parameter("embeddings.word_embeddings.weight").mul_(1.1)
    torch.manual_seed(6)
    mine = items.table()
    torch.manual_seed(6)
    assert torch.equal(other.table(), mine)


def test_an_empty_text_has_a_vector(cache: Path, catalog: Catalog, language_model: Model) -> None:
    empty = Catalog(catalog.items.with_columns(title=pl.lit("")), catalog.popularity)
    for family in ("bert", "llama"):
        table = made(empty, folder(language_model, family), pooling="last").eval().table()
        assert torch.isfinite(table).all()
        assert table[1:].any(1).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"max_tokens": 2}, "items.max_tokens must be 3..40, what MODEL takes, got 2. Set items.max_tokens."),
        ({"max_tokens": 41}, "items.max_tokens must be 3..40, what MODEL takes, got 41. Set items.max_tokens."),
        ({"fresh": 0}, "items.fresh must be at least 1, got 0. Set items.fresh."),
        ({"chunk_tokens": 0}, "items.chunk_tokens must be at least 1, got 0. Set items.chunk_tokens."),
        ({"dropout": 1.0}, "items.dropout must be in [0, 1), got 1.0. Set items.dropout."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str, catalog: Catalog, language_model: Model) -> None:
    model = language_model("bert")
    with pytest.raises(ValueError, match="^" + re.escape(text.replace("MODEL", model)) + "$"):
        made(catalog, model, **changes)


def test_a_model_that_is_nowhere(
    cache: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    missing = str(tmp_path / "nowhere")
    text = re.escape(f"the model {missing} is not on this machine and could not be fetched (")
    with pytest.raises(FileNotFoundError, match=f"^{text}.*Set items.model to a folder that holds its config.json"):
        made(catalog, missing)


def test_a_model_without_layers() -> None:
    with pytest.raises(ValueError, match=r"^Linear has no list of layers, so it cannot be tuned layer by layer.$"):
        layers_of(nn.Linear(2, 2))


def test_a_dropout_of_zero_draws_nothing_and_another_one_does(
    catalog: Catalog, language_model: Callable[..., str], cache: Path
) -> None:
    def spread(dropout: float) -> float:
        items = TextItems(
            catalog, 8, language_model("bert"), "{title}", max_tokens=8, dropout=dropout, fresh=None
        ).train()
        before = torch.get_rng_state()
        tables = [items.table() for _ in range(2)]
        assert torch.equal(before, torch.get_rng_state()) == (dropout == 0)
        return float((tables[0] - tables[1]).abs().max())

    assert spread(0.0) == 0
    assert spread(0.3) > 0


@pytest.mark.parametrize(("family", "able"), [("t5", False), ("bart", True), ("bert", True), ("llama", True)])
def test_layers_that_hand_on_more_than_states_are_found_out(
    family: str, able: bool, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    items = made(catalog, folder(language_model, family)).eval()
    assert [items.hidden.goes_on(items.encoder, items.tokens, border) for border in (1, 2)] == [able, able]
    # what stands on the last layer needs no other
    assert items.hidden.goes_on(items.encoder, items.tokens, 3)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_of_an_encoder_decoder_only_the_encoder_is_used(
    family: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    model = folder(language_model, family)
    items = made(catalog, model).eval()
    tokenizer, whole = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    title = catalog.items["title"][5]
    ids = tokenizer(title, return_tensors="pt")["input_ids"]
    expected = whole.get_encoder()(input_ids=ids).last_hidden_state[0].mean(0)
    assert torch.allclose(items.pooled(torch.tensor([6]))[0], expected, atol=1e-5)
    assert not any("decoder" in name for name, _ in items.named_parameters())


def test_chunks_hold_texts_of_about_one_length(cache: Path, catalog: Catalog, language_model: Model) -> None:
    titles = [" ".join(["tau"] * (1 + 7 * i % 18)) for i in range(200)]
    many = Catalog(pl.DataFrame({"item": range(200), "title": titles}), catalog.popularity)
    items = made(many, language_model("bert"), max_tokens=40, chunk_tokens=200)
    real = padded = 0
    for _, ids, mask in items.tokens.chunks(torch.randperm(201)):
        real, padded = real + int(mask.sum()), padded + ids.numel()
        assert ids.numel() <= 200
    items.tokens.chunk_tokens = None
    everything = torch.arange(201)
    on_cpu = [ids.numel() for _, ids, _ in items.tokens.chunks(everything)]
    assert 256 < max(on_cpu) <= 512
    assert len(on_cpu) > 3
    in_order = sum(len(w) * max(w) for w in items.tokens.length[1:].split(10) for w in [w.tolist()])
    assert real / padded > 0.9
    assert real / in_order < 0.7  # what the same texts would cost as they come


def test_what_the_model_cannot_read_is_told(cache: Path, language_model: Model) -> None:
    # [CLS] and [SEP] take two of six tokens
    words = {"whole": "tau rho", "brim": "tau rho phi psi", "cut": "tau rho phi psi chi", "same": "tau rho phi psi tau"}
    titles = [words["whole"], words["brim"], words["cut"], words["same"], "chi", "", " \t", None, "chi"]
    many = Catalog(pl.DataFrame({"item": range(9), "title": titles}), np.ones(10, np.int64))
    model = language_model("bert")
    assert made(many, model, max_tokens=6).choice == (
        "of 9 items' texts 2 are cut at 6 tokens (max_tokens), 3 are empty, 5 read the same as another's, which texts "
        "alone cannot tell apart"
    )
    # with room for all, only those that are equal are left
    few = Catalog(many.items.head(5), np.ones(6, np.int64))
    assert made(few, model, max_tokens=7).choice is None
    assert made(few, model, max_tokens=6).choice == (
        "of 5 items' texts 2 are cut at 6 tokens (max_tokens), 3 read the same as another's, which texts alone cannot "
        "tell apart"
    )
    reader = TextVectors(model, max_tokens=6)
    reader(few)
    assert reader.choice == made(few, model, max_tokens=6).choice


@pytest.mark.gpu
def test_chunks_are_larger_on_a_gpu(cache: Path, catalog: Catalog, language_model: Model) -> None:
    items = made(catalog, language_model("bert"), chunk_tokens=None)
    items.tokens.length, items.tokens.offsets = torch.tensor([0, *[20] * 100]), torch.zeros(101, dtype=torch.long)
    assert [len(rows) for rows, _, _ in items.tokens.chunks(torch.arange(101, device="cuda"))] == [100]
    assert len(list(items.tokens.chunks(torch.arange(101)))) == 4

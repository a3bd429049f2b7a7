"""A language model over prompts: right against a plain pass, alike alone and in a batch, with every tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM

from rec_lightning.backbones.prompt_lm import PromptLM
from rec_lightning.backbones.prompts import Prompts
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.frozen import Frozen
from tests.backbones.test_prompts import LINES, films
from tests.tuning import cells

Make = Callable[..., PromptLM]
NOTHING = torch.empty(0)


@pytest.fixture
def folder(language_model: Callable[..., str]) -> str:
    return language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)


@pytest.fixture
def made(folder: str) -> Make:
    def make(of: Catalog | None = None, **changes: Any) -> PromptLM:
        torch.manual_seed(0)
        prompt = partial(Prompts, template=LINES, item="{{ title }}", max_tokens=60)
        options = {"prompt": prompt, "model": folder, "words": [" rho", " tau"]} | changes
        return PromptLM(of or films(), **options).eval()

    return make


def many(rows: int = 5, candidates: int = 2) -> Batch:
    """Histories of 0 to 5 films."""
    generator = torch.Generator().manual_seed(1)
    length = torch.arange(rows) % 6
    history = torch.randint(1, 7, (rows, 6), generator=generator) * (torch.arange(6) < length.unsqueeze(1))
    candidate = torch.randint(1, 7, (rows, candidates), generator=generator)
    label = torch.randint(0, 2, (rows, candidates), generator=generator).float()
    feedback = torch.randint(0, 2, (rows, 6), generator=generator).float()
    row = torch.arange(rows)
    return Batch(
        row % 2, history, length.clamp(min=1), candidate[:, 0], event=row, candidate=candidate, label=label,
        feedback=torch.where(history > 0, feedback, torch.nan),
    )  # fmt: skip


def alone(batch: Batch, row: int) -> Batch:
    """One row, its history without padding."""
    history, own = slice(int(batch.length[row])), slice(row, row + 1)
    one = {f.name: x[own] for f in fields(batch) if isinstance(x := getattr(batch, f.name), torch.Tensor)}
    return replace(batch, **one | {name: one[name][:, history] for name in ("history", "feedback")})  # type: ignore[arg-type]


def test_scores_are_those_of_a_plain_pass_over_the_whole_text(made: Make, folder: str) -> None:
    model, batch = made(), many()
    plain = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = model.prompts.texts.tokenizer
    words = [tokenizer(word)["input_ids"][0] for word in ("rho", "tau")]
    with torch.no_grad():
        found = model.states(batch, NOTHING)
        assert found.shape == (5, 2, 2)
        for ids, said in zip(model.prompts(batch).ids, found.flatten(0, 1), strict=True):
            text = tokenizer(tokenizer.decode(ids), return_tensors="pt")
            assert text["input_ids"][0].tolist() == ids.tolist()
            assert torch.allclose(plain(**text).logits[0, -1, words], said, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gpt_neox"])
@pytest.mark.parametrize("chunk_tokens", [None, 30])
def test_a_row_alone_scores_as_in_any_batch(
    family: str, chunk_tokens: int | None, made: Make, language_model: Callable[..., str]
) -> None:
    few = {"num_key_value_heads": 2, "head_dim": 8} if family == "qwen3" else {}
    model = made(
        model=language_model(family, tie_word_embeddings=True, max_position_embeddings=99, **few),
        chunk_tokens=chunk_tokens,
    )
    batch = many()
    with torch.no_grad():
        whole = model.states(batch, NOTHING)
        for row in range(5):
            assert torch.allclose(model.states(alone(batch, row), NOTHING)[0], whole[row], atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gpt_neox", "mamba"])
def test_a_history_that_is_read_once_changes_no_score(
    family: str, made: Make, language_model: Callable[..., str]
) -> None:
    few: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8} if family == "qwen3" else {}
    model = made(model=language_model(family, tie_word_embeddings=True, max_position_embeddings=99, **few))
    batch, tokens = many(5, 7), list[int]()
    two = Batch(**{f.name: torch.cat([x, x]) for f in fields(batch) if isinstance(x := getattr(batch, f.name), Tensor)})
    two.candidate = two.candidate % 6 + 1  # type: ignore[operator]  # another row with the same history joins the group
    model.model.register_forward_pre_hook(
        lambda _, __, given: tokens.append(given["input_ids"].numel()), with_kwargs=True
    )
    read, found = list[int](), list[Tensor]()
    for share in (True, False):
        model.share = share
        with torch.no_grad():
            found.append(model.states(two, NOTHING))
        read.append(sum(tokens))
        tokens.clear()
    assert torch.allclose(*found, atol=1e-5)
    assert read[0] < read[1] / 1.5 or family == "mamba"  # which keeps no keys and values
    model.share = True
    assert torch.allclose(model.states(two, NOTHING), found[1], atol=1e-5)  # with gradients


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "mamba"])
def test_words_that_every_prompt_begins_with_are_read_once(
    family: str, made: Make, language_model: Callable[..., str]
) -> None:
    few: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8} if family == "qwen3" else {}
    folder = language_model(family, tie_word_embeddings=True, max_position_embeddings=99, **few)
    prompt = partial(Prompts, template=f"{'pi ' * 20}{LINES}", item="{{ title }}", max_tokens=90)
    model, read, found = made(model=folder, prompt=prompt), {True: 0, False: 0}, list[Tensor]()

    def count(_: Any, __: Any, given: dict[str, Tensor]) -> None:
        read[model.share] += given["input_ids"].numel()

    model.model.register_forward_pre_hook(count, with_kwargs=True)
    for share in read:
        model.share = share
        with torch.no_grad():
            found.append(model.states(many(8, 1), NOTHING))
    assert torch.allclose(*found, atol=1e-5)
    assert read[False] - read[True] >= 7 * 20 or family == "mamba"  # which keeps no keys and values
    count_before = read[True]
    model.share = True
    model.states(many(8, 1), NOTHING)  # with gradients nothing is kept
    assert read[True] - count_before == read[False]


def test_the_candidate_and_the_labels_of_the_past_matter_and_other_rows_do_not(made: Make) -> None:
    model, batch = made(), many()
    whole = model.states(batch, NOTHING)
    assert not torch.allclose(whole[:, 0], whole[:, 1], atol=1e-3)
    other = replace(batch, feedback=1 - batch.feedback)  # type: ignore[operator]
    moved = (model.states(other, NOTHING) - whole).abs().amax((1, 2)) > 1e-4
    assert moved.tolist() == [False, True, True, True, True]  # the first has no history


@pytest.mark.parametrize("choice", cells.TUNINGS)
def test_every_tuning_that_suits_a_causal_model_trains_it(choice: str, made: Make) -> None:
    refused = cells.refusal(choice, "decoder")
    method = cells.tuning(choice, "vectors")
    model = made(quantize="nf4") if choice == "qlora" else made()
    if choice in ("side", "compose") or (refused and choice != "qlora"):
        pytest.skip("side reads states that items keep, compose names items and backbone apart")
    apply(method, {"backbone": model})
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    assert bool(before) == (choice != "frozen")
    if not before:
        return
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):  # some factors start at zero, so that others move from the second step on
        optimizer.zero_grad()
        (model.states(many(), NOTHING)[..., 1] - model.states(many(), NOTHING)[..., 0]).square().mean().backward()
        optimizer.step()
    after = dict(model.named_parameters())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    merged = model.eval().states(many(), NOTHING)
    model.set_trunk(method.merge(model.trunk))
    assert torch.allclose(model.states(many(), NOTHING), merged, atol=1e-4)


def test_what_a_model_says_anyway_is_divided_out(made: Make) -> None:
    batch, plain = many(), made()
    with torch.no_grad():
        said = plain.states(batch, NOTHING).log_softmax(-1)
        # a text that equals a film's: asked about it, the model says as much as without content
        one, two = (made(blank=blank).states(batch, NOTHING) for blank in (["alpha"], ["alpha", "alpha beta gamma"]))
        asked = [replace(batch, candidate=torch.full((5, 1), item)) for item in (1, 3)]
        empty = torch.stack([plain.states(b, NOTHING).softmax(-1) for b in asked]).mean(0)  # (5, 1, 2)
        assert torch.allclose(two, said - empty.log(), atol=1e-5)
        assert torch.allclose(made(blank=["alpha"]).states(asked[0], NOTHING), torch.zeros(5, 1, 2), atol=1e-5)
    assert not torch.allclose(one, two, atol=1e-3)


def test_tokens_that_were_cut_are_counted(made: Make) -> None:
    prompt = partial(Prompts, template=LINES, item="{{ title }}", max_tokens=12)
    assert sum(made(prompt=prompt).prompted(many()).cut) > 0
    assert sum(made().prompted(many()).cut) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": [" rho"]}, r"^backbone.words must be two words at least, one a label, got \[' rho'\]. Set backbone"),
        ({"words": [" rho tau", " mu"]}, r"^backbone.words must be single tokens of .*' rho tau' is 2 \(rho, tau\)"),
        ({"words": [" rho", "rho"]}, r"^backbone.words must differ in their tokens, got \[' rho', 'rho'\]"),
        ({"dropout": 1.0}, r"^backbone.dropout must be in \[0, 1\), got 1.0"),
        ({"chunk_tokens": 0}, r"^backbone.chunk_tokens must be at least 1, got 0"),
        ({"prompt": partial(Prompts, template=LINES, item="{{ title }}")}, r"max_tokens must be 1..99, .* got 512"),
    ],
)
def test_what_cannot_work_is_refused(made: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_models_without_output_layer_or_of_another_kind_are_refused(
    made: Make, language_model: Callable[..., str]
) -> None:
    tied = {"tie_word_embeddings": True, "max_position_embeddings": 99}
    with pytest.raises(ValueError, match=r"must come with its output layer, and .* lacks lm_head.weight. Set backbone"):
        made(model=language_model("llama"))
    with pytest.raises(ValueError, match=r"must be a causal language model, and .* \(vit\) is none") as refused:
        made(model=language_model("vit"))
    assert "backbone=prompt_encoder" in str(refused.value)
    with pytest.raises(ValueError, match=r"must score a word by the product of its row and the state, and"):
        made(model=language_model("granite", **tied, logits_scaling=4.0))


def test_is_put_together_without_weights_and_data(made: Make) -> None:
    with torch.device("meta"):
        model = made(of=Catalog.empty(["title"]))
    assert all(p.is_meta for p in model.parameters())
    assert model.base is None


def test_it_says_which_model_and_tokenizer_it_stands_on(made: Make) -> None:
    base = made().base
    assert base is not None
    assert set(base) == {"name", "weights", "tokenizer"}
    frozen = made()
    apply(Frozen("backbone"), {"backbone": frozen})
    assert not any(p.requires_grad for p in frozen.parameters())
    assert isinstance(AutoModel.from_pretrained(base["name"]), type(frozen.trunk))


def test_no_items_have_no_width() -> None:
    from rec_lightning.items.none import NoItems

    items = NoItems(Catalog(pl.DataFrame({"item": range(3)}), np.ones(4, np.int64)))
    assert items.vectors(torch.tensor([1, 2])).shape == (2, 0)
    assert items.table().shape == (4, 0)
    assert not list(items.parameters())

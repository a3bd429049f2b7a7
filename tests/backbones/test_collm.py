"""Vectors among words: right against a plain pass by hand, alike alone and in a batch, never cut, refused in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from rec_lightning.backbones.collm import CoLLM
from rec_lightning.backbones.id_vectors import IdVectors
from rec_lightning.backbones.prompt_lm import PromptLM
from rec_lightning.backbones.prompts import Prompts
from rec_lightning.backbones.vector_prompts import VectorPrompts
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.items.id import IdItems
from rec_lightning.tuning.apply import apply
from tests.backbones.test_prompt_lm import NOTHING, alone, many
from tests.backbones.test_prompts import LINES, films
from tests.tuning import cells

MARKED = "{{ user_vector }} pi " + LINES.replace("nu", "nu {{ item_vector }} xi")
Make = Callable[..., CoLLM]


def table(catalog: Catalog) -> IdVectors:
    return IdVectors(IdItems(catalog, 8, std=1.0), AtLeast())


@pytest.fixture
def folder(language_model: Callable[..., str]) -> str:
    return language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)


@pytest.fixture
def made(folder: str) -> Make:
    def make(of: Catalog | None = None, prompt: dict[str, Any] | None = None, **changes: Any) -> CoLLM:
        torch.manual_seed(0)
        options = {"template": MARKED, "item": "{{ title }}", "max_tokens": 60, "tokens": 2} | (prompt or {})
        parts = {"model": folder, "words": [" rho", " tau"], "vectors": table, "hidden": 16} | changes
        return CoLLM(of or films(), partial(VectorPrompts, **options), **parts).eval()

    return make


def test_scores_are_those_of_a_plain_pass_over_words_and_vectors(made: Make, folder: str) -> None:
    model, batch = made(), many()
    plain = AutoModelForCausalLM.from_pretrained(folder).eval()
    words, tokenizer = plain.get_input_embeddings(), model.prompts.texts.tokenizer

    def tokens(text: str) -> Tensor:
        return torch.tensor(tokenizer(text)["input_ids"])

    wanted = [tokenizer(word)["input_ids"][0] for word in ("rho", "tau")]
    with torch.no_grad():
        found = model.states(batch, NOTHING)
        users = model.soft.after(model.soft.mapping(model.soft.before(model.soft.source.users(batch))).view(5, 2, 32))
        for row in range(5):
            said = [
                f"{' '.join(_words(item))} {'tau' if liked else 'rho'}"
                for item, liked in zip(batch.history[row].tolist(), _liked(batch, row), strict=True)
                if item
            ]
            for column in range(2):
                item = int(batch.candidate[row, column])  # type: ignore[index]
                vector = model.soft.source.vectors(torch.tensor([item]))
                parts = [
                    users[row],
                    words(tokens(" ".join(["pi", *said, "mu", *_words(item), "nu"]))),
                    model.soft.after(model.soft.mapping(model.soft.before(vector)).view(2, 32)),
                    words(tokens("xi")),
                ]  # fmt: skip
                logits = plain(inputs_embeds=torch.cat(parts)[None]).logits[0, -1, wanted]
                assert torch.allclose(logits, found[row, column], atol=1e-5)


def _words(item: int) -> list[str]:
    return str(films().items["title"][item - 1]).split()


def _liked(batch: Batch, row: int) -> list[bool]:
    assert batch.feedback is not None
    return [value == 1 for value in batch.feedback[row].tolist()]


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_a_row_alone_scores_as_in_any_batch_and_a_history_is_read_once(
    family: str, made: Make, language_model: Callable[..., str]
) -> None:
    few: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8} if family == "qwen3" else {}
    model = made(model=language_model(family, tie_word_embeddings=True, max_position_embeddings=99, **few))
    batch, read = many(5, 7), list[int]()
    model.model.register_forward_pre_hook(
        lambda _, __, given: read.append(given["inputs_embeds"].shape[:2].numel()), with_kwargs=True
    )
    with torch.no_grad():
        whole = model.states(batch, NOTHING)
        once, _ = sum(read), read.clear()
        for row in range(5):
            assert torch.allclose(model.states(alone(batch, row), NOTHING)[0], whole[row], atol=1e-5)
        read.clear()
        model.share = False
        assert torch.allclose(model.states(batch, NOTHING), whole, atol=1e-5)
    assert once < sum(read) / 1.5


def test_rows_with_the_same_words_keep_vectors_of_their_own(made: Make) -> None:
    batch = many(2, 3)
    batch.history, batch.candidate = torch.tensor([[1, 2], [2, 1]]), torch.tensor([[3, 4, 5], [3, 4, 5]])
    batch.length, batch.feedback = torch.tensor([2, 2]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    model = made(prompt={"template": "{{ user_vector }} pi {{ candidate }}"})
    with torch.no_grad():
        found = model.states(batch, NOTHING)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_a_user_is_what_was_liked_less_what_was_not_and_nothing_of_the_event(made: Make) -> None:
    source, batch = made().soft.source, many()
    assert isinstance(source, IdVectors)
    rows = source.items.vectors(torch.arange(7))
    batch.feedback = torch.tensor([[1.0, 0.0, torch.nan, 1.0, 0.0, torch.nan]] * 5)
    signs = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])
    for row, length in enumerate([0, 1, 2, 3, 4]):
        wanted = (rows[batch.history[row, :length]] * signs[:length, None]).sum(0) / max(1, length)
        assert torch.allclose(source.users(batch)[row], wanted, atol=1e-6)
    later = replace(batch, candidate=batch.candidate % 6 + 1, label=1 - batch.label, target=batch.target % 6 + 1)  # type: ignore[operator]
    assert torch.equal(source.users(later), source.users(batch))


def test_gradients_reach_the_mapping_and_the_vectors_of_who_is_asked(made: Make) -> None:
    model, batch = made(), many(2, 1)
    apply(cells.tuning("frozen", "vectors"), {"backbone": model})
    (model.states(batch, NOTHING)[..., 1] - model.states(batch, NOTHING)[..., 0]).sum().backward()
    moving = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moving == {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.split(".")[1] for name in moving} == {"before", "mapping", "after", "source"}
    source = model.soft.source
    assert isinstance(source, IdVectors)
    assert isinstance(source.items, IdItems)
    grad = source.items.embedding.weight.grad
    assert grad is not None
    asked = {int(item) for item in [*batch.history.flatten(), *batch.candidate.flatten()] if item}  # type: ignore[union-attr]
    assert set(torch.nonzero(grad.abs().sum(1)).flatten().tolist()) == asked


@pytest.mark.parametrize("choice", ["full", "lora", "prefix", "prompt", "houlsby", "norm_tuning"])
def test_tunings_go_together_with_vectors(choice: str, made: Make) -> None:
    model, method = made(), cells.tuning(choice, "vectors")
    before = model.states(many(), NOTHING)
    apply(method, {"backbone": model})
    whole = model.states(many(), NOTHING)
    assert torch.allclose(whole, before, atol=1e-5) != getattr(method, "changes_output", False)
    for row in range(5):
        assert torch.allclose(model.states(alone(many(), row), NOTHING)[0], whole[row], atol=1e-5)
    whole.sum().backward()
    assert all(p.grad is not None for p in model.soft.mapping.parameters())


def test_vectors_are_counted_and_never_cut(made: Make) -> None:
    for most in (14, 20, 50):
        model = made(prompt={"max_tokens": most})
        found = model.prompted(many(6))
        assert (sum(found.cut) > 0) == (most < 50)
        for place, ids in enumerate(found.ids):
            whose, token = model.prompts.vectors_at(torch.from_numpy(ids[ids < 0]))  # type: ignore[attr-defined]
            assert len(ids) <= most
            assert token.tolist() == [0, 1, 0, 1]
            assert whose.tolist()[::2] == [7 + place // 2, int(many(6).candidate.flatten()[place])]  # type: ignore[union-attr]


def test_what_stands_for_no_item_has_the_vector_of_nothing(made: Make) -> None:
    model, seen = made(blank=["alpha beta"]), list[Tensor]()
    model.soft.before.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.no_grad():
        assert torch.isfinite(model.states(many(2, 1), NOTHING)).all()
    items = len(torch.unique(many(2, 1).candidate)) + 1  # type: ignore[arg-type]
    assert seen[0].shape == (items + 2, 8)
    assert (seen[0] == 0).all(1).tolist() == [False] * (items - 1) + [True, True, False]  # the first row has no history


def test_only_asked_vectors_are_computed(made: Make) -> None:
    model = made(prompt={"template": "mu {{ item_vector }} {{ candidate }}"})
    model.soft.source.users = None  # type: ignore[assignment]
    assert model.states(many(), NOTHING).shape == (5, 2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": {"template": LINES}}, r"^backbone.vectors have no effect on a template that names none of them"),
        ({"prompt": {"template": "{{ candidate }}{% for e in history %}{{ user_vector }}{% endfor %}"}}, "no effect"),
        ({"prompt": {"tokens": 0}}, r"^backbone.prompt.tokens must be at least 1, got 0"),
        ({"prompt": {"max_tokens": 12}}, r"^a prompt without any history has up to 14 tokens, and .*max_tokens is 12"),
        ({"hidden": 0}, r"^backbone.hidden must be at least 1, got 0. Set backbone.hidden.$"),
    ],
)
def test_what_cannot_work_is_refused(made: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_marks_without_vectors_and_vectors_without_marks_are_refused(folder: str) -> None:
    words = {"model": folder, "words": [" rho", " tau"]}
    with pytest.raises(
        ValueError, match=r"names 'item_vector', which is not there. Known: history, candidate, user, ex"
    ):
        PromptLM(films(), partial(Prompts, template=MARKED, item="{{ title }}", max_tokens=60), **words)
    with pytest.raises(ValueError, match=r"^backbone.prompt must have marks for vectors, and Prompts has none. Set"):
        CoLLM(films(), partial(Prompts, template=LINES, item="{{ title }}", max_tokens=60), vectors=table, **words)


def test_it_is_put_together_without_weights_and_data_and_says_what_it_stands_on(made: Make) -> None:
    with torch.device("meta"):
        model = made(of=Catalog.empty(["title"]))
    assert all(p.is_meta for p in model.parameters())
    soft = made().soft
    assert soft.base is not None
    assert set(soft.base) == {"name", "catalogue"}
    words = made().model.get_input_embeddings().weight  # type: ignore[operator]
    tokens = soft(many(), torch.arange(1, 7), 6, True).detach()
    assert tokens.shape == (11, 2, 32)
    assert np.isclose(tokens.std(), words.detach().std(), rtol=0.05)  # as large as words

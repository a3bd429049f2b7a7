"""Prompts: by hand, equal to the tokens of the whole text, cut at the oldest event, refused where nothing helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoTokenizer

from rec_lightning.backbones.prompts import Prompts
from rec_lightning.contracts import Batch, Catalog
from tests.conftest import WORDS

LINES = "{% for event in history %}{{ event.item }} {{ event.word }}\n{% endfor %}mu {{ candidate }} nu"
NONE = float("nan")
Made = Callable[..., Prompts]


def films() -> Catalog:
    """Item i is called by the first i words, 1..6."""
    titles = [" ".join(WORDS[:count]) for count in range(1, 7)]
    users = pl.DataFrame({"user": ["u0", "u1"], "gender": ["rho", "sigma"]})
    return Catalog(pl.DataFrame({"item": range(6), "title": titles}), np.ones(7, np.int64), users)


@pytest.fixture
def made(language_model: Callable[..., str]) -> Made:
    def make(family: str = "llama", of: Catalog | None = None, **changes: Any) -> Prompts:
        tokenizer = AutoTokenizer.from_pretrained(language_model(family))
        options = {"words": [" phi", " tau"], "template": LINES, "item": "{{ title }}"} | changes
        return Prompts(of or films(), tokenizer, **options)

    return make


def asked(history: list[int], candidates: list[int], labels: list[float] | None = None, user: int = 0) -> Batch:
    """One row."""
    known = [1.0] * len(history) if labels is None else labels
    rows = torch.tensor([history or [0]]), torch.tensor([max(1, len(history))])
    return Batch(
        torch.tensor([user]),
        *rows,
        torch.tensor(candidates[:1]),
        candidate=torch.tensor([candidates]),
        feedback=torch.tensor([known or [NONE]]),
    )


def text(prompts: Prompts, ids: Any) -> str:
    return prompts.texts.tokenizer.decode(ids)  # type: ignore[return-value]


def test_a_prompt_by_hand(made: Made) -> None:
    prompts = made()
    found = prompts(asked([2, 1, 3], [4, 1], [1.0, 0.0, NONE]))
    before = "alpha beta tau alpha [UNK] alpha beta gamma mu"  # phi is no word of the vocabulary, the last has no label
    assert [text(prompts, ids) for ids in found.ids] == [f"{before} alpha beta gamma delta nu", f"{before} alpha nu"]
    assert found.cut == [0]
    assert text(prompts, found.ids[0][: found.shared[0]]) == before


def test_without_history_only_the_candidate_is_asked(made: Made) -> None:
    prompts = made()
    assert text(prompts, prompts(asked([], [2])).ids[0]) == "mu alpha beta nu"


def test_users_and_numbers_of_labels_are_written(made: Made) -> None:
    prompts = made(template="{{ user.gender }} " + LINES, words=[])
    rows = [prompts(asked([1], [2], [3.0], user)).ids[0] for user in (0, 1, 7)]  # the last is not known
    assert [text(prompts, ids).split()[0] for ids in rows] == ["rho", "sigma", "alpha"]


def test_feedback_that_is_hidden_is_not_written(made: Made) -> None:
    prompts, batch = made(), asked([2], [1])
    batch.feedback = None
    assert text(prompts, prompts(batch).ids[0]) == "alpha beta mu alpha nu"


def test_an_encoder_gets_its_marks_around_the_text(made: Made) -> None:
    prompts = made("bert")
    assert text(prompts, prompts(asked([1], [1])).ids[0]) == "[CLS] alpha tau mu alpha nu [SEP]"


def test_the_oldest_events_go_first_and_are_counted(made: Made) -> None:
    whole = "alpha beta tau alpha tau alpha beta gamma tau mu alpha nu"
    for most in range(5, 13):
        prompts = made(max_tokens=most, of=Catalog(films().items[:3], np.ones(4, np.int64)))
        found = prompts(asked([2, 1, 3], [1]))
        told = text(prompts, found.ids[0])
        assert len(found.ids[0]) <= most
        assert whole.endswith(told)
        # 3, 2 and 4 tokens of the events, oldest first
        assert found.cut == [next(lost for lost, left in enumerate([9, 6, 4, 0]) if 3 + left <= most)]


def test_room_is_made_for_the_longest_candidate(made: Made) -> None:
    found = made(max_tokens=9)(asked([1, 1], [1, 6]))
    assert [len(ids) for ids in found.ids] == [3, 8]
    assert found.cut == [2]


def test_items_are_tokenised_once(made: Made) -> None:
    prompts, asked_for = made(), list[int]()
    tokenizer = prompts.texts.tokenizer
    prompts.texts.tokenizer = lambda texts, **options: (asked_for.append(len(texts)), tokenizer(texts, **options))[1]  # type: ignore[assignment, func-returns-value]
    for _ in range(3):
        prompts(asked([2, 1, 3], [4, 5]))
    assert asked_for == [1, 1]  # what stands between items and after the candidate; "tau\n" is one text with "mu"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item": "{{ plot }}"}, "^backbone.prompt.item names 'plot', which is not there. Known: item, title. Set"),
        ({"template": "{{ history }}"}, "^backbone.prompt.template must name the candidate, and a prompt without"),
        ({"max_tokens": 0}, "^backbone.prompt.max_tokens must be 1..any, what the model takes, got 0"),
        ({"max_tokens": 41, "longest": 40}, "^backbone.prompt.max_tokens must be 1..40, what the model takes, got 41"),
        ({"max_tokens": 7}, "^a prompt without any history has up to 8 tokens, and backbone.prompt.max_tokens is 7"),
    ],
)
def test_what_cannot_work_is_refused_before_training(made: Made, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_a_label_without_a_word_and_a_user_of_many_words_are_refused(made: Made) -> None:
    with pytest.raises(ValueError, match=r"must have a word for each label, got 2 and the label 2. Set backbone.words"):
        made()(asked([1], [1], [2.0]))
    wordy = Catalog(films().items, np.ones(7, np.int64), pl.DataFrame({"user": ["u"], "gender": ["rho " * 9]}))
    prompts = made(of=wordy, template="{{ user.gender }}" + LINES, max_tokens=10)
    with pytest.raises(ValueError, match=r"^a prompt without any history has 12 tokens, and .*max_tokens is 10"):
        prompts(asked([1], [1]))

"""Solved examples: from training only, strictly before, the same in every batch, written in front of the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoTokenizer

from rec_lightning.backbones.prompts import Prompts
from rec_lightning.backbones.shots import Shots
from rec_lightning.contracts import Catalog, Sequences
from tests.backbones.test_prompts import LINES, asked, films

SHOWN = "{% for e in examples %}{% for x in e.history %}{{ x.item }} {% endfor %}{{ e.item }} {{ e.word }} {% endfor %}"


def known() -> Catalog:
    """3 users of 6 events at random times; the last event of each is tested, one of training has no label."""
    generator = np.random.default_rng(0)
    time = np.sort(generator.permutation(18).reshape(3, 6), 1).ravel()
    role = np.array([0, 0, 0, 0, 1, 2] * 3, np.int8)
    label = generator.integers(0, 2, 18).astype(np.float32)
    label[1] = np.nan
    events = Sequences(generator.integers(1, 7, 18), np.array([0, 6, 12, 18]), role, pl.Series([0, 1, 2]), time, label)
    return replace(films(), sequences=events)


@pytest.mark.parametrize("moment", range(0, 19, 3))
def test_examples_train_have_labels_and_are_earlier_than_what_is_asked(moment: int) -> None:
    catalog = known()
    events = catalog.sequences
    assert events is not None
    assert events.timestamp is not None
    assert events.label is not None
    allowed = [e for e in range(18) if events.role[e] == 0 and events.timestamp[e] < moment and e != 1]
    found = Shots(catalog, count=99, events=2).before(event=17, moment=moment)
    expected = []
    for event in sorted(allowed, key=lambda e: events.timestamp[e]):  # type: ignore[index]
        past = [e for e in range(event // 6 * 6, event) if events.role[e] == 0][-2:]
        expected.append((events.items[event], events.label[event], events.items[past].tolist()))
    assert [(shot.item, shot.label, shot.items) for shot in found] == expected


def test_a_draw_depends_on_the_event_and_the_seed_alone() -> None:
    one, two = Shots(known(), count=3), Shots(known(), count=3)
    two.before(3, 5)
    drawn = str(one.before(17, 18))
    assert drawn == str(two.before(17, 18))
    assert len(one.before(17, 18)) == 3
    assert any(str(one.before(event, 18)) != drawn for event in range(17))
    assert any(str(Shots(known(), 3, seed=seed).before(17, 18)) != drawn for seed in range(1, 9))
    assert Shots(known()).before(17, 18) == []


@pytest.fixture
def made(language_model: Callable[..., str]) -> Callable[..., Prompts]:
    def make(**changes: Any) -> Prompts:
        tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
        options = {"words": ["rho", "tau"], "template": SHOWN + LINES, "item": "{{ title }}"} | changes
        return Prompts(known(), tokenizer, examples=partial(Shots, count=2, events=1), **options)

    return make


def test_they_stand_in_front_and_are_lost_after_the_history(made: Callable[..., Prompts]) -> None:
    batch = asked([2, 1], [3])
    batch.event, batch.target_time = torch.tensor([17]), torch.tensor([18])
    prompts = made()
    one, two = prompts.examples.before(17, 18)
    words = [
        " ".join([*(prompts.texts.items[i - 1] for i in s.items), prompts.texts.items[s.item - 1]]) for s in (one, two)
    ]
    shown = [f"{text} {('rho', 'tau')[int(s.label)]}" for text, s in zip(words, (one, two), strict=True)]
    mine = "alpha beta tau alpha tau mu alpha beta gamma nu"
    whole = f"{shown[0]} {shown[1]} {mine}".split()
    (ids,) = prompts(batch).ids
    assert prompts.texts.tokenizer.decode(ids).split() == whole  # type: ignore[union-attr]
    for most in range(8, len(whole) + 1):
        found = made(max_tokens=most)(batch)
        assert len(found.ids[0]) <= most
        assert not found.without[0] or found.cut == [2]  # the history goes first
    assert found.cut == found.without == [0]
    few = made(max_tokens=8)(batch)
    assert few.cut == [2]
    assert few.without[0] > 0


def test_refusals(made: Callable[..., Prompts]) -> None:
    with pytest.raises(ValueError, match=r"^backbone.prompt.examples.count=2 has no effect on a template that"):
        made(template=LINES)
    with pytest.raises(ValueError, match=r"^backbone.prompt.examples.events must be at least 0, got -1. Set backbone"):
        Shots(known(), events=-1)

"""Attributions by hand and by completeness, deletion against lists without the event, and what cannot be explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rec_lightning.cli import main
from rec_lightning.use.attribution import Moved, of_tokens, of_vectors
from rec_lightning.use.explained_page import page_of, text_of
from rec_lightning.use.explanation import Explained, Explanation, Parts
from tests.members import members
from tests.use.conftest import composed

Finish = Callable[..., Path]
ID = ("items=id", "tuning=full")


def explain(run: Path, *options: str) -> Explained:
    explanation = Explanation(composed("explain", [f"run={run}", *options]))
    explanation.read()
    return explanation.explain()


def test_a_linear_score_is_explained_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, vectors, empty = (torch.randn(3, 4, generator=generator) for _ in range(3))
    moved = of_vectors(lambda x: (x * weights).sum((1, 2)), vectors, empty, steps=4, rows=2)
    assert torch.allclose(moved, ((vectors - empty) * weights).sum(1), atol=1e-5)
    embedding = nn.Embedding(9, 4)
    ids, none = torch.tensor([[1, 5, 2, 5]]), torch.tensor([[1, 0, 2, 0]])
    factor = torch.tensor([1.0, 2.0, 3.0, 4.0])
    moved = of_tokens(
        lambda i, mask: (embedding(i).sum(-1) * factor * mask).sum(1), embedding, ids, none, torch.ones(1, 4), 4, 2
    )
    own = (embedding(ids) - embedding(none)).sum(-1)[0] * factor
    assert torch.allclose(moved, own.detach(), atol=1e-5)
    assert moved[[0, 2]].tolist() == [0, 0]  # what is the same in both moved nothing


def test_agreement_is_spearmans() -> None:
    assert Moved(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 21.0]), 6.0).agreement == pytest.approx(1)
    assert Moved(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]), 7.0).agreement == pytest.approx(-1)
    assert Moved(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 3.0).agreement is None
    assert Moved(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]), 7.0).agreement is None
    assert Moved(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 3.5).gap == 0.5


@pytest.mark.parametrize("backbone", members("backbone"))
def test_past_items_add_up_with_every_backbone(
    backbone: str, finish: Finish, language_model: Callable[..., str]
) -> None:
    tiny = [f"backbone.trunk.model={language_model('llama')}"] if backbone == "hf_pretrained" else []
    tiny += ["backbone.asked=false"] if backbone == "hstu" else []
    found = explain(finish(f"backbone={backbone}", *ID, *tiny), "user=u8", "steps=100")
    past = found.history
    assert len(past.names) == len(past.moved.moved) == len(past.moved.dropped) == 6  # max_length
    assert found.rank == 1
    assert (found.texts, found.note) == ([], "Words do not count: IdItems reads no texts.")
    assert abs(past.moved.gap) < 0.05 * abs(past.moved.change) + 0.02
    assert np.abs(past.moved.dropped).max() > 0


def test_deletion_is_the_list_of_a_history_without_the_event(
    finish: Finish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish(*ID)
    names = ["i3", "i9", "i14", "i20"]
    found = explain(run, f"history='{','.join(names)}'", "item=i5")
    lines = [names, *([*names[:i], *names[i + 1 :]] for i in range(4))]
    rows = "".join(f"{row},{item}\n" for row, items in enumerate(lines) for item in items)
    (tmp_path / "h.csv").write_text(f"user,item\n{rows}")
    options = [f"history={tmp_path}/h.csv", "k=24", "exclude_seen=false", f"output={tmp_path}/a.csv"]
    assert main(["recommend", f"run={run}", *options]) == 0
    scores = [float(line.split(",")[3]) for line in (tmp_path / "a.csv").read_text().splitlines() if ",i5," in line]
    assert found.score == pytest.approx(scores[0], abs=1e-4)
    assert found.history.moved.dropped == pytest.approx(scores[0] - np.array(scores[1:]), abs=1e-4)


@pytest.mark.parametrize(
    ("items", "tuning"),
    [("text", "full"), ("text", "lora"), ("text", "prompt"), ("text", "frozen"), ("id_text", "lora")],
)
def test_words_of_the_item_and_of_past_items(
    items: str, tuning: str, finish: Finish, items_of: Callable[[str], list[str]]
) -> None:
    found = explain(finish(*items_of(items), f"tuning={tuning}"), "user=u8", "texts=1", "steps=100")
    own, past = found.texts
    assert own.heading == "words of the item"
    assert own.names == found.item.split(" ", 1)[1].split()
    assert past.heading.removeprefix("words of the past item ") in found.history.names
    for text in found.texts:
        assert abs(text.moved.gap) < 0.1 * abs(text.moved.change) + 0.05
        assert np.abs(text.moved.dropped).max() > 0


def test_text_and_page(finish: Finish, items_of: Callable[[str], list[str]]) -> None:
    found = explain(finish(*items_of("text"), "tuning=full"), "user=u8", "item=i11")
    text, html = text_of(found), page_of(found)
    assert text.startswith(f"{found.item} for u8: score {found.score:.4f}, ")
    assert re.search(r"Spearman's correlation with deletion [+-]\d\.\d\d\.", text)
    assert "words of the item:" in text
    assert html.startswith("<!doctype html>")
    assert not re.search(r"(src|href)=", html)  # nothing is fetched
    for name in found.history.names:
        assert name in html


@pytest.mark.parametrize(
    ("dropped", "told"), [([3.0, 2.0, 1.0], "-1.00: deletion does not"), ([1.0, 2.0, 3.0], "+1.00.")]
)
def test_an_order_that_deletion_does_not_confirm_is_told_with_a_doubt(dropped: list[float], told: str) -> None:
    moved = Moved(np.array([1.0, 2.0, 3.0]), np.array(dropped), 7.0)
    found = Explained("ann", "i1", 1.0, 1, Parts("past items", ["a", "b", "c"], moved), [])
    for text in (text_of(found), page_of(found)):
        assert f"Spearman's correlation with deletion {told}".replace("'", "&#x27;" if "<" in text else "'") in text
        assert "The parts add up to +6.0000 of +7.0000 (rough: raise steps)" in text


def test_the_front_door(finish: Finish, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, page = finish(*ID), tmp_path / "why.html"
    assert main(["explain", f"run={run}", "user=u8", "steps=8", f"output={page}"]) == 0
    told = capsys.readouterr().out
    assert "past items:" in told
    assert page.read_text().startswith("<!doctype html>")
    assert main(["explain", f"run={run}", "user=u8", f"output={page}"]) == 2
    assert f"output must be new, and {page} exists. Set output, or overwrite=true." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "either user or history must be given, got neither. Set user=ID, or history=a,b,c."),
        (["user=u1", "history=i1"], "either user or history must be given, got both."),
        (["user=who"], "users must be known to the run, and user who is not."),
        (["history=i1"], "an explanation needs at least two known events, got 1."),
        (["user=u1", "item=zz yy"], "item must be an id or a title of the catalogue, got 'zz yy'"),
        (["user=u1", "steps=1"], "steps must be at least 2, got 1. Set steps."),
        (["user=u1", "output=a.txt"], "output must end with .html, got a.txt. Set output."),
    ],
)
def test_refused(options: list[str], text: str, finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    given = [] if any(o.startswith("output=") for o in options) else ["output=null"]
    assert main(["explain", f"run={finish(*ID)}", *options, *given]) == 2
    assert text in capsys.readouterr().err


def test_what_has_no_gradients_or_no_captum(
    finish: Finish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["explain", f"run={finish('baseline=ease')}", "user=u1", "output=null"]) == 2
    assert "run must be one of train, and Ease has no gradients. Set run." in capsys.readouterr().err

    def missing(name: str) -> Any:
        return None

    monkeypatch.setattr("rec_lightning.use.attribution.find_spec", missing)
    assert main(["explain", f"run={finish(*ID)}", "user=u1", "output=null"]) == 2
    assert "explain needs the package captum, which is not installed. Install rec_lightning[explain]." in (
        capsys.readouterr().err
    )


def test_a_network_beside_the_encoder_cannot_weigh_words(finish: Finish, items_of: Callable[[str], list[str]]) -> None:
    found = explain(finish(*items_of("text"), "tuning=side"), "user=u8", "steps=8")
    assert (len(found.history.names), found.texts) == (6, [])
    assert "Words cannot be weighed: the network beside the encoder reads its states from a cache." in text_of(found)
    assert "Words cannot be weighed" in page_of(found)

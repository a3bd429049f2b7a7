"""Queries: a label that lies in query and text together is learnt with both alone; what is none, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.cli import main
from rec_lightning.contracts import Catalog
from rec_lightning.items.queries import Queries
from rec_lightning.items.text import TextItems

TOPICS = ["alpha", "kappa", "omicron", "tau"]
USERS, EVENTS, ITEMS = 40, 14, 20


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides for searches: a like where the query is the item's topic; neither alone says anything."""
    folder, generator = tmp_path_factory.mktemp("search"), np.random.default_rng(3)
    count = USERS * EVENTS
    item, meant = generator.integers(0, ITEMS, count), generator.random(count) < 0.5
    other = (item + generator.integers(1, len(TOPICS), count)) % len(TOPICS)
    topic = np.where(meant, item % len(TOPICS), other)
    pl.DataFrame(
        {
            "user": np.repeat(np.arange(USERS), EVENTS),
            "item": [f"i{i}" for i in item],
            "timestamp": np.arange(count) * 60,
            "rating": np.where(meant, 5, 1),
            "query": [TOPICS[t] for t in topic],
        }
    ).write_csv(folder / "events.csv")
    titles = [f"{TOPICS[i % len(TOPICS)]} mu" for i in range(ITEMS)]
    pl.DataFrame({"id": [f"i{i}" for i in range(ITEMS)], "title": titles}).write_csv(folder / "items.csv")
    return [
        "data=table", f"data.source.path={folder}/events.csv", "data.source.columns.rating=rating",
        "+data.source.columns.query=query", f"data.source.items={folder}/items.csv",
        "data.source.item_fields={item: id, title: title}", "data/split=temporal_ratio", "data.split.test=0.3",
        "task=scoring", "items.template='{title}'", "items.pooling=mean", "items.max_tokens=8",
        "backbone=mean_pooling", "width=16", "max_length=4", "data.batch_size=16", "logger=[]", "optimizer.lr=1e-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "tuning", "items", "low", "high"),
    [
        ("din", "frozen", "text", 0.3, 0.65),
        ("dot_bias", "frozen", "text_query", 0.9, 1.0),
        ("din", "frozen", "text_query", 0.9, 1.0),
        ("dcn", "full", "text_query", 0.9, 1.0),
    ],
    ids=["blind", "dot", "din", "crosses"],
)
def test_only_with_the_query_can_the_label_be_told(
    head: str, tuning: str, items: str, low: float, high: float, search: list[str], tmp_path: Path,
    language_model: Callable[..., str],
) -> None:  # fmt: skip
    ids = ["head.user_ids=false"] if head == "dot_bias" else ["head.fields.user_ids=false"]
    line = [*search, f"items={items}", f"head={head}", *ids, f"tuning={tuning}", "trainer.max_epochs=12"]
    assert main(["train", *line, f"items.model={language_model('bert')}", f"run_dir={tmp_path / 'run'}"]) == 0
    assert low <= json.loads((tmp_path / "run/metrics.json").read_text())["test/auc"] <= high


def items_with(queries: list[Any], model: str, catalog: Catalog) -> TextItems:
    events = pl.DataFrame({"query": queries, "trains": [True] * len(queries), "known": [1] * len(queries)})
    return TextItems(Catalog(catalog.items, catalog.popularity, events=events), 8, model, max_tokens=8, query="query")


def test_a_query_is_read_as_an_items_text_is(catalog: Catalog, language_model: Callable[..., str]) -> None:
    titles = catalog.items["title"].to_list()
    items = items_with([titles[4], None, "  ", titles[0], titles[4]], language_model("bert"), catalog).eval()
    with torch.no_grad():
        found = items.asked(torch.tensor([4, 3, 2, 1, 0, 0]))
        table = items.table()
    assert table.shape == (13, 8)  # queries are no candidates
    wanted = table[torch.tensor([5, 1, 0, 0, 5, 5])]
    assert torch.allclose(found, wanted, atol=1e-5)
    assert found[2].abs().sum() == 0  # white space, and nothing, asks for nothing
    assert found[0].abs().sum() > 0


def test_what_trains_in_the_encoder_learns_from_queries(catalog: Catalog, language_model: Callable[..., str]) -> None:
    items = items_with(["alpha beta", "tau"], language_model("bert"), catalog)
    items.asked(torch.tensor([0, 1])).square().sum().backward()
    moved = [p.grad is not None and p.grad.abs().sum() > 0 for p in items.encoder.parameters()]
    assert sum(bool(x) for x in moved) > len(moved) / 2


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        (
            "asked",
            ["a", "b"],
            "items.query must be a column of the events (query, trains), got 'asked'. Set items.query",
        ),
        ("query", [1, 2], "items.query must be a column of texts, and query holds Int64. Set items.query, or name"),
        ("query", ["", None, "tau"], "items.query names 'query', which is empty in every training event. Set"),
    ],
)
def test_refused(column: str, values: list[Any], text: str) -> None:
    trains = [True, True, False][: len(values)]
    with pytest.raises(ValueError) as refused:
        Queries(pl.DataFrame({"query": values, "trains": trains}), column)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["head=linear"], "items.query=query has no effect with head=Linear, which reads no state. Set head=dot_bias"),
        (["head=mlp", "items.query=said"], "items.query must be a column of the events (query, hour, weekday"),
    ],
)
def test_refused_from_the_command_line(
    options: list[str], text: str, search: list[str], tmp_path: Path, language_model: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    own = ["items=text_query", f"items.model={language_model('bert')}", "tuning=frozen"]
    assert main(["train", *search, *own, *options, f"run_dir={tmp_path / 'run'}"]) == 2
    assert text in " ".join(capsys.readouterr().err.split())


def test_a_ranking_asks_about_no_event(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own = ["items=id_text", "+items@items.parts.said=text_query"]
    assert main(["train", "data=synthetic", *own, f"run_dir={tmp_path}/r"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert (
        "items.parts.said.query=query has no effect with task=SequenceTask, where no event is asked about. Set" in told
    )

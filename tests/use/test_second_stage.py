"""Lists in the order of a run of scoring: those that a fusion measures, for new users too, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.cli import main

DATA = ["data=synthetic", "data.source.users=40", "data.source.items=30", "data.source.events_per_user=12", "logger=[]"]
SMALL = ["items=id", "tuning=full", "width=8", "max_length=6", "backbone=mean_pooling", "trainer.max_epochs=1"]
HEADS = {
    "din": ["head=din", "head.fields.users={user: category}", "head.fields.table.max_distinct=1.0"],
    "hour": ["head=mlp", "head.fields.events={hour: category}"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE, and scorers that read a column of users, and one of events."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(folder / "cache"))
        assert main(["baseline", *DATA, "top_k=[3,10]", f"run_dir={folder}/ease"]) == 0
        for name, head in HEADS.items():
            line = ["task=scoring", *DATA, *SMALL, *head, "data.batch_size=16", f"run_dir={folder}/{name}"]
            assert main(["train", *line]) == 0
    return folder


@pytest.fixture
def ask(runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.setenv("REC_CACHE", str(runs / "cache"))
    place = f"output={tmp_path / 'lists.jsonl'}"
    return lambda *options: main(["recommend", f"run={runs / 'ease'}", "overwrite=true", place, *options])


def test_the_lists_that_a_fusion_measures(runs: Path, ask: Callable[..., int], tmp_path: Path) -> None:
    fused = ["fuse=two_stage", "depth=12", "k=12", "top_k=[10]", f"run_dir={tmp_path / 'two'}"]
    assert main(["fuse", f"runs=[{runs / 'ease'},{runs / 'din'}]", *fused]) == 0
    assert ask(f"rescore={runs / 'din'}", "depth=12", "upto=test", "k=12") == 0
    rows = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text().splitlines()]
    wanted = pl.read_parquet(tmp_path / "two/rankings.parquet")
    assert [row["user"] for row in rows] == wanted["user"].to_list()
    # a target that its user had before is a candidate of a measurement only
    pairs = [(row["items"], items) for row, items in zip(rows, wanted["items"].to_list(), strict=True)]
    same = [(found, items) for found, items in pairs if set(found) == set(items)]
    assert len(same) >= 10
    assert all(found == items for found, items in same)
    own = pl.read_parquet(runs / "ease/rankings.parquet")["items"].list.head(12).to_list()
    assert [row["items"] for row in rows] != own
    assert all(row["scores"] == sorted(row["scores"], reverse=True) for row in rows)
    assert all(0 < score < 1 for row in rows for score in row["scores"])  # what a candidate is worth: a probability


def test_a_new_user_has_what_the_scorer_knows_of_nobody(runs: Path, ask: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"user": "ann", "items": ["3", "7"]}\n{"user": "bob", "items": ["3", "7"]}\n')
    assert ask(f"rescore={runs / 'din'}", f"history={tmp_path / 'new.jsonl'}", "k=4") == 0
    one, two = (json.loads(line) for line in (tmp_path / "lists.jsonl").read_text().splitlines())
    assert one["items"] == two["items"]
    assert one["scores"] == two["scores"]
    assert not {3, 7} & set(one["items"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["rescore={}/ease"], "rescore must be a run that scored labels, and "),
        (["rescore={}/hour"], "reads the column 'hour' of events, and here no event is asked about. Train it without."),
        (["depth=5"], "depth has an effect with rescore only, got 5. Set rescore=DIR."),
        (["rescore={}/din", "depth=9"], "depth must be k (10)..number of candidates (30), got 9. Set depth."),
        (["rescore={}/din", "depth=31"], "depth must be k (10)..number of candidates (30), got 31. Set depth."),
        (["rescore={}/din", "rerank=xquad"], "rescore and rerank do not go together, since both order the candidates"),
        (["rescore={}/din", "new_items=x.csv"], "rescore and new_items do not go together, since it has not learnt of"),
    ],
    ids=["ranks", "event", "alone", "short", "long", "rerank", "new items"],
)
def test_refused(
    options: list[str], text: str, runs: Path, ask: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(*[option.format(runs) for option in options]) == 2
    assert text in " ".join(capsys.readouterr().err.split())

"""A run measured again: the same numbers as it is, others where it shall differ, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.cli import main

SMALL = [
    "data=synthetic",
    "data.source.users=40",
    "data.source.items=30",
    "data.source.events_per_user=12",
    "logger=[]",
]
MODEL = [
    "items=id",
    "tuning=full",
    "width=8",
    "max_length=6",
    "trainer.max_epochs=1",
    "top_k=[3,10]",
    "monitor=val/ndcg@10",
]
SPLIT = ["data/split=temporal_ratio", "allow_trained=true"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``trained`` and ``fitted``, complete."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(folder / "cache"))
        assert main(["train", *SMALL, *MODEL, f"run_dir={folder}/trained"]) == 0
        assert main(["baseline", *SMALL, "baseline=ease", "top_k=[3,10]", f"run_dir={folder}/fitted"]) == 0
    return folder


@pytest.fixture
def evaluate(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("REC_CACHE", str(runs / "cache"))
    return lambda run, *options: main(["evaluate", f"run={runs / run}", *options])


def told(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return found


@pytest.mark.parametrize("run", ["trained", "fitted"])
@pytest.mark.parametrize("stage", ["test", "val"])
def test_as_trained_it_gives_the_runs_own_numbers(
    run: str, stage: str, runs: Path, evaluate: Callable[..., int]
) -> None:
    assert evaluate(run, f"stage={stage}", f"name=again-{stage}") == 0
    place = runs / run / f"evaluations/again-{stage}"
    own = {k: v for k, v in told(runs / run).items() if k.startswith(f"{stage}/")}
    assert told(place) == pytest.approx(own, abs=1e-6)  # the trainer logs in single precision
    if stage == "test":
        assert pl.read_parquet(place / "rankings.parquet").equals(pl.read_parquet(runs / run / "rankings.parquet"))
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["verb"], manifest["stage"], manifest["targets_trained_on"]) == ("evaluate", stage, 0)


@pytest.mark.parametrize("run", ["trained", "fitted"])
def test_another_ranking_and_other_cut_offs(run: str, runs: Path, evaluate: Callable[..., int]) -> None:
    options = ["ranking=sampled", "ranking.negatives=9", "ranking.k=4", "metrics=ranking", "top_k=[1]"]
    assert evaluate(run, *options) == 0
    (place,) = (p for p in (runs / run / "evaluations").iterdir() if "sampled" in p.name)
    assert list(told(place)) == ["test/sampled_uniform9_hr@1", "test/sampled_uniform9_ndcg@1"]
    again = pl.read_parquet(place / "rankings.parquet")
    assert again["rank"].max() <= 10  # type: ignore[operator]
    assert again["items"].list.len().to_list() == [4] * again.height
    # nine items rank above a target no more often than all do
    assert (again["rank"] <= pl.read_parquet(runs / run / "rankings.parquet")["rank"]).all()


def test_one_option_of_the_runs_own_ranking(runs: Path, evaluate: Callable[..., int]) -> None:
    assert evaluate("trained", "ranking.exclude_seen=false") == 0
    kept = pl.read_parquet(runs / "trained/evaluations/ranking.exclude_seen=false/rankings.parquet")
    assert (kept["rank"] >= pl.read_parquet(runs / "trained/rankings.parquet")["rank"]).all()


def test_targets_it_was_trained_on_are_refused_unless_asked_for(
    runs: Path, evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("trained", SPLIT[0]) == 2
    text = capsys.readouterr().err
    assert "targets must be new to the run, and " in text
    assert "Train with these data, or set allow_trained=true." in text
    assert not (runs / "trained/evaluations/data-split=temporal_ratio/metrics.json").exists()
    assert evaluate("trained", *SPLIT, "name=leaky") == 0
    manifest = json.loads((runs / "trained/evaluations/leaky/manifest.json").read_text())
    assert manifest["targets_trained_on"] > 0


@pytest.mark.parametrize(("run", "text"), [("trained", "has a row for each of its items"), ("fitted", "was fitted on")])
def test_another_catalogue_is_refused(
    run: str, text: str, evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(run, "data.source.items=25", "allow_trained=true", "name=other") == 2
    message = capsys.readouterr().err
    assert "the catalogue must be the one" in message
    assert text in message
    assert "30 items" in message
    assert "25 items" in message


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["backbone=gru4rec"],
            "an evaluation may differ from its run in data, ranking, rerank, metrics only, got backbone=",
        ),
        (["stage=train"], "stage must be val or test, got 'train'. Set stage."),
        (["ranking=best"], "unknown choice ranking=best"),
        (["ranking.negatives=5"], "unknown option ranking.negatives: the run's configuration has none of this name."),
        (["ranking.k=99"], "ranking.k must be 1..catalogue size (30), got 99. Set ranking.k."),
        (["top_k=[5]"], "top_k has an effect only where metrics is chosen anew. Add for example metrics=ranking."),
        (["name=../up"], "name must be the name of a folder, got '../up'. Set name."),
        (["allow_trained=yes please"], "allow_trained must be true or false, got 'yes please'."),
        (["ranking.k=many"], "ranking.k must be int"),
    ],
)
def test_refused(
    options: list[str], text: str, evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("trained", *options) == 2
    assert text in capsys.readouterr().err


def test_no_run_and_an_unfinished_one(tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate"]) == 2
    assert "run must be given, it has no default. Set run=DIR" in capsys.readouterr().err
    shutil.copytree(runs / "fitted", tmp_path / "half")
    manifest = json.loads((tmp_path / "half/manifest.json").read_text()) | {"status": "running"}
    (tmp_path / "half/manifest.json").write_text(json.dumps(manifest))
    assert main(["evaluate", f"run={tmp_path / 'half'}"]) == 2
    assert "run must be the directory of a complete run of train or baseline, and" in capsys.readouterr().err


def test_a_finished_run_re_ranked(runs: Path, evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    few = ["ranking.k=10", "rerank.candidates=20"]
    assert evaluate("trained", "rerank=mmr", "rerank.weight=0", *few, "name=same") == 0
    same = pl.read_parquet(runs / "trained/evaluations/same/rankings.parquet")
    before = pl.read_parquet(runs / "trained/rankings.parquet")
    assert same["rank"].equals(before["rank"])
    assert same["items"].equals(before["items"].list.head(10))
    assert evaluate("trained", "rerank=mmr", "rerank.weight=0.9", *few, "name=other") == 0
    other = pl.read_parquet(runs / "trained/evaluations/other/rankings.parquet")
    assert not other["items"].equals(same["items"])
    inside = other.filter(pl.col("target").is_in(pl.col("items")))
    assert (inside["items"].list.eval(pl.element()).list.len() >= inside["rank"]).all()
    capsys.readouterr()
    assert evaluate("fitted", "rerank=mmr", *few, "name=no-vectors") == 2
    assert "rerank=MMR compares items by the model's vectors, and this model has scores only" in capsys.readouterr().err


def test_a_training_re_ranks_as_an_evaluation_does(runs: Path, evaluate: Callable[..., int]) -> None:
    options = ["ranking.k=10", "rerank=mmr", "rerank.weight=0.9", "rerank.candidates=20"]
    assert evaluate("trained", *options, "name=after") == 0
    assert main(["train", *SMALL, *MODEL, *options, "compare=[]", f"run_dir={runs}/re-ranked"]) == 0
    own, after = runs / "re-ranked", runs / "trained/evaluations/after"
    assert pl.read_parquet(own / "rankings.parquet").equals(pl.read_parquet(after / "rankings.parquet"))
    assert {k: v for k, v in told(own).items() if "test/" in k} == pytest.approx(told(after), abs=1e-6)

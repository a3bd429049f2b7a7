"""Runs fused from the command line: the lists are theirs, the result stands beside each, and what cannot be fused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.cli import main

DATA = ["data=synthetic", "data.source.users=40", "data.source.items=30", "data.source.events_per_user=12", "logger=[]"]
FUSED = ["depth=12", "k=10", "top_k=[3,10]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two complete baselines, and one of other data."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(folder / "cache"))
        for name in ("ease", "item_knn"):
            assert main(["baseline", *DATA, f"baseline={name}", "top_k=[3,10]", f"run_dir={folder}/{name}"]) == 0
        other = [*(o for o in DATA if "users" not in o), "data.source.users=30", "top_k=[3]"]
        assert main(["baseline", *other, f"run_dir={folder}/other"]) == 0
    return folder


@pytest.fixture
def fuse(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("REC_CACHE", str(runs / "cache"))
    return lambda names, *options: main(["fuse", f"runs=[{','.join(str(runs / n) for n in names)}]", *options])


def test_a_fusion_of_one_model_that_counts_alone_is_that_model(runs: Path, fuse: Callable[..., int]) -> None:
    place = runs / "alone"
    options = ["fuse=weighted", "fuse.weights=[1,0]", *FUSED, f"run_dir={place}"]
    assert fuse(["ease", "item_knn"], *options) == 0
    own = pl.read_parquet(runs / "ease/rankings.parquet")
    found = pl.read_parquet(place / "rankings.parquet")
    assert found["user"].equals(own["user"])
    assert (found["rank"].clip(0, 11) == own["rank"].clip(0, 11)).all()
    assert found["items"].list.head(10).equals(own["items"].list.head(10))
    told = json.loads((place / "metrics.json").read_text())
    expected = json.loads((runs / "ease/metrics.json").read_text())
    assert told == pytest.approx({key: expected[key] for key in told}, abs=1e-6)
    beside = json.loads((place / "baselines.json").read_text())
    assert list(beside) == ["ease", "item_knn"]
    assert beside["ease"]["difference"] == {
        "metric": "test/ndcg@10", "mean": 0.0, "low": 0.0, "high": 0.0, "level": 0.95
    }  # fmt: skip
    assert beside["item_knn"]["difference"]["mean"] == pytest.approx(
        told["test/ndcg@10"] - beside["item_knn"]["metrics"]["test/ndcg@10"]
    )


def test_stacking_learns_from_validation_and_the_lists_are_kept(
    runs: Path, fuse: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["fuse=stacking", *FUSED, f"run_dir={runs / 'stacked'}"]
    assert fuse(["ease", "item_knn"], *options) == 0
    manifest = json.loads((runs / "stacked/manifest.json").read_text())
    assert (manifest["verb"], manifest["status"], len(manifest["weights"])) == ("fuse", "complete", 6)
    kept = [runs / name / f"evaluations/lists-{stage}-12" for name in ("ease", "item_knn") for stage in ("val", "test")]
    before = [(place / "manifest.json").stat().st_mtime_ns for place in kept]
    assert fuse(["ease", "item_knn"], "fuse=rrf", *FUSED, f"run_dir={runs / 'again'}") == 0
    assert [(place / "manifest.json").stat().st_mtime_ns for place in kept] == before
    assert "difference" in capsys.readouterr().out or (runs / "again/baselines.json").exists()


@pytest.mark.parametrize(
    ("names", "options", "text"),
    [
        (["ease"], [], "runs must be at least two different runs, got ["),
        (["ease", "ease"], [], "runs must be at least two different runs, got ["),
        (["ease", "nowhere"], [], "run must be the directory of a complete run of train or baseline, and "),
        (["ease", "other"], [*FUSED], "runs must rank the same targets, and those of "),
        (["ease", "item_knn"], ["depth=31"], "depth must be 1..catalogue size (30), got 31. Set depth."),
        (["ease", "item_knn"], ["depth=5", "k=6", "top_k=[5]"], "k must be 1..depth (5), got 6. Set k."),
        (["ease", "item_knn"], ["stage=train"], "stage must be val or test, got 'train'. Set stage."),
        (["ease", "item_knn"], ["stage=val", "fuse=stacking"], "fuse=stacking learns from validation lists, so stage"),
        (["ease", "item_knn"], ["primary=mrr@10"], "primary must be one of the metrics (hr@1, "),
        (
            ["ease", "item_knn"],
            ["fuse=weighted", "fuse.weights=[1]"],
            "fuse.weights must be one for each of the 2 runs",
        ),
        (["ease", "item_knn"], ["k=10"], "top_k must be 1..k (10), got [1, 5, 10, 20]. Set top_k, or raise k."),
    ],
    ids=["one", "twice", "nowhere", "others", "depth", "k", "stage", "learns", "primary", "weights", "cut-offs"],
)
def test_refused(
    names: list[str], options: list[str], text: str, runs: Path, fuse: Callable[..., int], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert fuse(names, *options, f"run_dir={tmp_path / 'out'}") == 2
    assert re.search(re.escape(text), " ".join(capsys.readouterr().err.split()))

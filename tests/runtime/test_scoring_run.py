"""A whole run of scoring: its artefacts, and the same end after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from rec_lightning.cli import main
from rec_lightning.studies.rows import read_row

SMALL = (
    "data=synthetic data.source.users=40 data.source.items=30 data.source.tastes=4 data.source.events_per_user=12 "
    "data/split=temporal_ratio data.split.validation=0.2 data.split.test=0.2 "
    "data.batch_size=16 max_length=6 width=8 items=id tuning=full trainer.max_epochs=2 logger=[] checkpoint_seconds=0"
).split()
RUNS = {
    "scoring": ["head=din", "backbone=gru4rec"],
    "rating": ["loss=ordinal", "head=fm", "head.fields.items={genres: list}", "backbone=mean_pooling"],
}
Run = Callable[..., int]


@pytest.fixture(scope="module")
def uninterrupted(train: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {task: tmp_path_factory.mktemp(task) / "run" for task in RUNS}
    for task, folder in folders.items():
        assert train(f"task={task}", *SMALL, *RUNS[task], f"run_dir={folder}") == 0
    return folders


@pytest.mark.parametrize("task", RUNS)
def test_a_run_leaves_its_artefacts(task: str, uninterrupted: dict[str, Path]) -> None:
    folder = uninterrupted[task]
    metrics = json.loads((folder / "metrics.json").read_text())
    found = pl.read_parquet(folder / "predictions.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert found.height == manifest["data"]["roles"][2]
    assert found.columns == ["event", "user", "item", "label", "prediction"]
    assert found["event"].is_sorted()
    if task == "rating":
        rmse = ((found["prediction"] - found["label"]).cast(pl.Float64) ** 2).mean() ** 0.5  # type: ignore[operator]
        assert metrics["test/rmse"] == pytest.approx(rmse, abs=1e-5)
    else:
        chosen = found["prediction"] >= metrics["test/threshold"]
        assert metrics["val/threshold"] == metrics["test/threshold"]
        assert metrics["test/accuracy"] == pytest.approx((chosen == (found["label"] == 1)).mean(), abs=1e-6)
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert ("val_metrics.at_threshold.threshold" in state) == (task == "scoring")


@pytest.mark.parametrize("kill", ["on_train_batch_end@3", "on_validation_start@2", "on_test_start@1"])
@pytest.mark.parametrize("task", RUNS)
def test_a_killed_run_ends_as_an_uninterrupted_one(
    task: str, kill: str, train: Run, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    line = [f"task={task}", *SMALL, *RUNS[task], f"run_dir={tmp_path / 'run'}"]
    assert train(*line, kill=kill) == -9
    assert train(*line) == 0
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (
            torch.load(f / "checkpoints" / name, weights_only=False)["state_dict"]
            for f in (uninterrupted[task], tmp_path / "run")
        )
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    frames = [pl.read_parquet(f / "predictions.parquet") for f in (uninterrupted[task], tmp_path / "run")]
    assert_frame_equal(*frames, check_exact=True)
    assert (uninterrupted[task] / "metrics.json").read_text() == (tmp_path / "run" / "metrics.json").read_text()


def test_classes_are_scored_from_words(cache: Path, tmp_path: Path) -> None:
    rows = [f"u{u},i{(u * 3 + t) % 12},{t},{('view', 'buy')[(u + t) % 2]}" for u in range(20) for t in range(8)]
    (tmp_path / "events.csv").write_text("\n".join(["user,item,timestamp,event", *rows]) + "\n")
    line = (
        f"data=table data.source.path={tmp_path / 'events.csv'} "
        "+data.source.columns.event=event data.source.columns.rating=null "
        "task=classes label.classes=[view,buy] items=id tuning=full max_length=6 width=8 backbone=mean_pooling "
        f"trainer.max_epochs=1 logger=[] run_dir={tmp_path / 'run'}"
    )
    assert main(["train", *line.split()]) == 0
    found = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert found["prediction"].list.len().unique().to_list() == [2]
    assert found["prediction"].list.sum().to_list() == pytest.approx([1.0] * 20)


@pytest.mark.parametrize("line", ["evaluate run={}", "recommend run={}", "reproduce {}"])
def test_verbs_of_rankings_refuse_a_run_of_scoring(
    line: str, uninterrupted: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = uninterrupted["scoring"]
    assert main(line.format(folder).split()) == 2
    assert f"run must be one that ranks, and {folder} scored labels" in capsys.readouterr().err
    with pytest.raises(ValueError, match="must be a run that ranks, and it scored labels"):
        read_row(folder, ["ndcg@10"])


def test_a_study_refuses_rows_that_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "title: t\nquestion: q\nprotocol: p\nmetrics: [ndcg@10]\nprimary: ndcg@10\nreference: a\n"
        "rows:\n  - {name: a, verb: train, overrides: [task=scoring, data=synthetic, items=id, tuning=full]}\n"
        "  - {name: b, verb: baseline, overrides: [baseline=popularity, data=synthetic]}\n"
    )
    assert main(["study", str(file), f"run_dir={tmp_path / 'runs'}"]) == 2
    assert "row 'a': a study compares runs that rank, and task scores labels" in capsys.readouterr().err


def test_labels_that_do_not_fit_end_before_training(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", "task=rating", *SMALL, "label.high=4", f"run_dir={tmp_path / 'run'}"]
    assert main(line) == 2
    assert "labels must lie in label.low..label.high (1.0..4" in capsys.readouterr().err.replace("\n", " ")

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


def test_a_run_of_scoring_cannot_rank(uninterrupted: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = uninterrupted["scoring"]
    assert main(["recommend", f"run={folder}"]) == 2
    assert f"run must be one that ranks, and {folder} scored labels" in capsys.readouterr().err


@pytest.mark.parametrize("task", RUNS)
def test_evaluate_gives_the_runs_own_numbers(
    task: str, uninterrupted: dict[str, Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = uninterrupted[task]
    own = json.loads((folder / "metrics.json").read_text())
    assert main(["evaluate", f"run={folder}"]) == 0
    assert main(["evaluate", f"run={folder}", "stage=val", "data.eval_batch_size=7"]) == 0
    for name, stage in (("as-trained", "test"), ("data.eval_batch_size=7,val", "val")):
        told = json.loads((folder / "evaluations" / name / "metrics.json").read_text())
        assert told == {key: pytest.approx(value, abs=1e-6) for key, value in own.items() if key.startswith(stage)}
    frames = [pl.read_parquet(f / "predictions.parquet") for f in (folder, folder / "evaluations/as-trained")]
    assert_frame_equal(*frames, check_exact=True)
    capsys.readouterr()
    assert main(["evaluate", f"run={folder}", "data/split=leave_one_out"]) == 2
    assert "may differ in metrics and data.eval_batch_size, got data/split=leave_one_out" in capsys.readouterr().err
    assert main(["evaluate", f"run={folder}", "attack=0"]) == 2
    assert "attack must be a positive share of the mean length of item vectors, got 0" in capsys.readouterr().err
    assert main(["evaluate", f"run={folder}", "metrics=ranking"]) == 2
    assert "is not for a" in capsys.readouterr().err


def test_evaluate_with_other_metrics(
    uninterrupted: dict[str, Path], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = uninterrupted["scoring"]
    assert main(["evaluate", f"run={folder}", "metrics.ece.bins=3", "metrics.slices=null", "name=other"]) == 0
    told = json.loads((folder / "evaluations/other/metrics.json").read_text())
    assert "test/auc_cold_users" not in told
    assert main(["evaluate", f"run={folder}", "attack=0.5"]) == 0
    attacked = json.loads((folder / "evaluations/attack=0.5/metrics.json").read_text())
    assert attacked["test/log_loss"] > told["test/log_loss"]
    assert attacked["test/auc"] < told["test/auc"]
    assert told["test/ece"] != json.loads((folder / "metrics.json").read_text())["test/ece"]
    assert told["test/auc"] == pytest.approx(json.loads((folder / "metrics.json").read_text())["test/auc"], abs=1e-6)


def test_reproduce_compares_predictions(
    uninterrupted: dict[str, Path], cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", str(uninterrupted["rating"]), f"run_dir={tmp_path / 'again'}"]) == 0
    assert "Equal: all" in (told := capsys.readouterr().out)
    assert "predictions are the same" in told


def test_a_study_and_compare_take_rows_that_score(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    head = "title: t\nquestion: q\nprotocol: p\nmetrics: [auc, log_loss]\nprimary: {}\nreference: biases\n"
    rows = "resamples: 200\nrows:\n" + "".join(
        f"  - {{name: {name}, verb: train, overrides: {json.dumps(['task=scoring', *SMALL, f'head={by}'])}}}\n"
        for name, by in (("biases", "bias"), ("factors", "dot_bias"))
    )
    file.write_text(head.format("log_loss") + rows)
    assert main(["study", str(file), f"run_dir={tmp_path / 'runs'}"]) == 0
    told = json.loads((tmp_path / "runs/results.json").read_text())
    assert [row["status"] for row in told["rows"]] == ["complete"] * 2
    assert told["rows"][1]["evidence"]["test"] == "bootstrap over users"
    line = [f"runs=[{','.join(str(tmp_path / 'runs' / slug / 'seed-42') for slug in ('biases', 'factors'))}]"]
    capsys.readouterr()
    assert main(["compare", *line, "names=[biases,factors]", "resamples=200", f"run_dir={tmp_path / 'both'}"]) == 0
    again = json.loads((tmp_path / "both/results.json").read_text())
    assert again["primary"] == "auc"
    assert again["rows"][0]["scores"]["log_loss"] == told["rows"][0]["scores"]["log_loss"]
    file.write_text(head.replace("auc, log_loss", "ndcg@10").format("ndcg@10") + rows)
    assert main(["study", str(file), f"run_dir={tmp_path / 'others'}"]) == 2
    assert "must be one that its runs measure (auc, gauc, uauc, log_loss), got 'ndcg@10'" in capsys.readouterr().err


def test_labels_that_do_not_fit_end_before_training(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", "task=rating", *SMALL, "label.high=4", f"run_dir={tmp_path / 'run'}"]
    assert main(line) == 2
    assert "labels must lie in label.low..label.high (1.0..4" in capsys.readouterr().err.replace("\n", " ")

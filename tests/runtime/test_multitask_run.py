"""A whole run of several objectives: its artefacts, the same end after a kill, and what is refused before data."""

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
    "task=multitask structure=ple balancing=nash_mtl task.cosines_every=3 "
    "data=synthetic data.source.users=40 data.source.items=30 data.source.tastes=4 data.source.events_per_user=8 "
    "data.batch_size=32 max_length=6 width=8 backbone=gru4rec items=id tuning=full trainer.max_epochs=2 logger=[] "
    "checkpoint_seconds=0 trainer.accumulate_grad_batches=2"
).split()
Run = Callable[..., int]


@pytest.fixture(scope="module")
def whole(train: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train(*SMALL, f"run_dir={folder}") == 0
    return folder


def test_a_run_leaves_its_artefacts(whole: Path) -> None:
    metrics = json.loads((whole / "metrics.json").read_text())
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    ranks = pl.read_parquet(whole / "rankings.parquet")["rank"]
    assert metrics["test/next_item/hr@10"] == pytest.approx((ranks <= 10).mean(), abs=1e-6)
    found = pl.read_parquet(whole / "predictions.parquet")
    assert found.columns == ["task", "event", "user", "item", "label", "prediction"]
    assert found["task"].unique(maintain_order=True).to_list() == ["rating", "like"]
    rating = found.filter(task="rating")
    assert rating.height == manifest["data"]["roles"][2]
    rmse = ((rating["prediction"] - rating["label"]).cast(pl.Float64) ** 2).mean() ** 0.5  # type: ignore[operator]
    assert metrics["test/rating/rmse"] == pytest.approx(rmse, abs=1e-5)
    looks = pl.read_csv(whole / "conflicts.csv")
    assert looks["step"].unique(maintain_order=True).to_list() == list(range(0, manifest["steps"], 3))
    assert looks["cosine"].abs().max() <= 1.0001  # type: ignore[operator]
    for name in ("conflicts", "gates_1", "gates_2"):
        assert (whole / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_run_ends_as_an_uninterrupted_one(train: Run, whole: Path, tmp_path: Path) -> None:
    line = [*SMALL, f"run_dir={tmp_path / 'run'}"]
    assert train(*line, kill="on_train_batch_end@6") == -9  # between the two batches of a step
    assert train(*line) == 0
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (
            torch.load(f / "checkpoints" / name, weights_only=False)["state_dict"] for f in (whole, tmp_path / "run")
        )
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    for name in ("rankings", "predictions"):
        assert_frame_equal(*(pl.read_parquet(f / f"{name}.parquet") for f in (whole, tmp_path / "run")))
    for name in ("metrics.json", "conflicts.csv"):
        assert (whole / name).read_text() == (tmp_path / "run" / name).read_text()


def test_verbs_of_one_task_refuse_the_run(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", f"run={whole}"]) == 2
    assert f"run must be one of task=sequence, and {whole} trained several objectives" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("task.objectives.like.weight=-1", "task.objectives.like: weight must be at least 0, got -1"),
        ("head=dot", "head has no effect with task=MultiTask, whose objectives have their own. Set head=none."),
        ("compare=[ease]", "compare has no effect with task=MultiTask, got ease. Set compare=[]."),
        ("ranking=none", "task=MultiTask has an objective that ranks and needs a ranking, got none."),
        ("~task.objectives.next_item", "ranking=TopK has no effect with task=MultiTask. Set ranking=none."),
        ("none", "task=MultiTask needs a balancing, got none. Set balancing=fixed."),
        ("label@task.objectives.like.label=none", "task.objectives.like needs a label, got none."),
        ("head@task.objectives.like.head=dot", "task.objectives.like.head=DotHead ranks a catalogue, and"),
        ("loss@task.objectives.like.loss=huber", "task.objectives.like.loss=Huber is not for a binary label."),
        ("monitor=val/ndcg@10", "monitor must be a metric of validation (val/next_item/hr@1, "),
        ("+objective@task.objectives.two=next_item", "one objective at most may rank, got next_item, two."),
    ],
)
def test_what_cannot_work_is_refused_before_data(
    given: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [part for part in SMALL if given != "none" or "balancing" not in part]
    given = "balancing=none" if given == "none" else given
    assert main(["train", *line, given, f"run_dir={tmp_path / 'run'}"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_parts_of_several_tasks_are_refused_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, message in (
        ("structure=mmoe", "structure=MMoE has no effect with task=SequenceTask. Set task=multitask."),
        ("loss=none", "task=SequenceTask needs a loss, got none."),
    ):
        line = ["train", "data=synthetic", "items=id", "tuning=full", given, f"run_dir={tmp_path / 'run'}"]
        assert main(line) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_label_that_the_data_do_not_have_ends_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", *SMALL, "task.objectives.like.label.column=clicked", f"run_dir={tmp_path / 'run'}"]
    assert main(line) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "task.objectives.like: label.column must be a column of the interactions" in told
    assert "got 'clicked'" in told


def test_an_objective_named_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "task").mkdir()
    text = "_target_: rec_lightning.tasks.multitask.MultiTask\n_partial_: true\nobjectives:\n  like: {}\n  like: {}\n"
    (tmp_path / "task" / "twice.yaml").write_text(text)
    search = f'hydra.searchpath=["file://{tmp_path}"]'
    assert main(["train", search, "task=twice", f"run_dir={tmp_path / 'run'}"]) == 2
    assert "duplicate key like" in " ".join(capsys.readouterr().err.split())

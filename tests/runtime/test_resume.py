"""A killed run ends as if it had not been killed: same weights, same metrics, same rankings, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from rec_lightning.runtime.resume import ResumePoint

SMALL = (
    "data=synthetic data.source.users=60 data.source.items=40 data.source.tastes=4 data.source.events_per_user=16 "
    "data.batch_size=8 max_length=8 width=16 trainer.max_epochs=3 logger=[] checkpoint_seconds=0"
).split()
MODELS = {
    "id": ["items=id", "tuning=full"],
    # negatives and augmentations are drawn in every step
    "contrast": (
        "items=id tuning=full loss=sampled_softmax loss/negatives=mixed loss.count=6 companion=cl4srec"
    ).split(),
    # the bank and the encoder's random choice of items are part of the state
    "text": [
        "items=text",
        "tuning=lora",
        "items.fresh=8",
        "items.max_tokens=8",
        "tuning.layers=1",
        "tuning.dropout=0.1",
    ],
}
Run = Callable[..., int]


def options(model: str, bert: str, run_dir: Path) -> list[str]:
    text = [f"items.model={bert}"] if model == "text" else []
    return [*SMALL, *MODELS[model], *text, f"run_dir={run_dir}"]


@pytest.fixture(scope="module")
def uninterrupted(train: Run, tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {model: tmp_path_factory.mktemp(model) / "run" for model in MODELS}
    for model, folder in folders.items():
        assert train(*options(model, tiny_bert, folder)) == 0
    return folders


def assert_same_end(one: Path, two: Path) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        a, b = (torch.load(f / "checkpoints" / name, weights_only=False)["state_dict"] for f in (one, two))
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), f"{name}: {key} differs"
    for name in ("metrics.json", "history.csv"):
        assert (one / name).read_text() == (two / name).read_text()
    assert_frame_equal(*(pl.read_parquet(f / "rankings.parquet") for f in (one, two)), check_exact=True)


# 60 users with about 13 training targets in windows of 8 make 15 steps of 8 windows an epoch, more or less
KILLS = {
    "in the middle of the first epoch": "on_train_batch_end@4",
    "before the second epoch's validation": "on_validation_start@2",
    "after an epoch's validation": "on_train_epoch_end@1",
    "between two epochs": "on_train_epoch_start@2",
    "when training has ended": "on_train_end@1",
    "while testing": "on_test_start@1",
}


@pytest.mark.parametrize("moment", KILLS.values(), ids=KILLS.keys())
@pytest.mark.parametrize("model", MODELS)
def test_a_killed_run_ends_as_an_uninterrupted_one(
    model: str, moment: str, train: Run, tiny_bert: str, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    line = options(model, tiny_bert, tmp_path / "run")
    assert train(*line, kill=moment) == -9
    assert json.loads((tmp_path / "run/manifest.json").read_text())["status"] == "running"
    assert train(*line) == 0
    assert_same_end(uninterrupted[model], tmp_path / "run")
    assert json.loads((tmp_path / "run/manifest.json").read_text())["sessions"] == 2


def test_the_memory_is_of_the_session_that_took_most(tmp_path: Path) -> None:
    first, second = (ResumePoint(tmp_path / "last.ckpt") for _ in range(2))
    own = first.peak_memory_mb
    assert own > 1
    first.memory_before = 1e9
    second.load_state_dict(first.state_dict())
    assert second.peak_memory_mb == 1e9
    first.memory_before = own / 2
    second.load_state_dict(first.state_dict())
    assert own <= second.peak_memory_mb < 1e9
    assert second.sessions == 2


def test_steps_after_the_last_resume_point_are_repeated(
    train: Run, tiny_bert: str, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    # no resume point but the one at the end of training: everything before it is done again
    line = [*options("id", tiny_bert, tmp_path / "run"), "checkpoint_seconds=1000"]
    line.remove("checkpoint_seconds=0")
    assert train(*line, kill="on_train_batch_end@9") == -9
    assert train(*line) == 0
    assert_same_end(uninterrupted["id"], tmp_path / "run")


def test_killed_twice(train: Run, tiny_bert: str, uninterrupted: dict[str, Path], tmp_path: Path) -> None:
    line = options("id", tiny_bert, tmp_path / "run")
    assert train(*line, kill="on_train_batch_end@3") == -9
    assert train(*line, kill="on_train_batch_end@12") == -9
    assert train(*line) == 0
    assert_same_end(uninterrupted["id"], tmp_path / "run")


def test_early_stopping_counts_over_a_kill(train: Run, tiny_bert: str, tmp_path: Path) -> None:
    # a rate of almost zero never improves, so two validations without progress end the run
    early = ["optimizer.lr=1e-9", "callbacks.early_stopping.patience=1"]
    whole = [*options("id", tiny_bert, tmp_path / "whole"), *early]
    assert train(*whole) == 0
    killed = [*options("id", tiny_bert, tmp_path / "killed"), *early]
    assert train(*killed, kill="on_train_end@1") == -9
    assert train(*killed) == 0
    assert_same_end(tmp_path / "whole", tmp_path / "killed")
    steps = [json.loads((tmp_path / f / "manifest.json").read_text())["steps"] for f in ("whole", "killed")]
    assert steps[0] == steps[1]


def test_a_complete_run_is_shown_and_not_touched(train: Run, uninterrupted: dict[str, Path], tiny_bert: str) -> None:
    folder = uninterrupted["id"]
    before = {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}
    assert train(*options("id", tiny_bert, folder)) == 0
    assert {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()} == before

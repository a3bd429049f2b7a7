"""A whole run of a scorer over prompts: its tokens are told first, its artefacts are those of any scorer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from rec_lightning.cli import main

LINE = (
    "task=prompt data=synthetic data.source.users=12 data.source.items=10 data.source.tastes=4 "
    "data.source.events_per_user=8 data/split=temporal_ratio data.split.validation=0.2 data.split.test=0.2 "
    "logger=[] callbacks=none max_length=4 backbone.prompt.max_tokens=50 trainer.max_epochs=1 data.batch_size=16"
).split()
Run = Callable[..., Path]


@pytest.fixture
def run(cache: Path, tmp_path: Path, language_model: Callable[..., str]) -> Run:
    def start(*more: str) -> Path:
        model = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
        words = [f"backbone.model={model}", "backbone.words=[' rho', ' tau']"]
        assert main(["train", *LINE, *words, *more, f"run_dir={tmp_path / 'run'}"]) == 0
        return tmp_path / "run"

    return start


def test_a_run_tells_its_tokens_trains_and_leaves_predictions(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run()
    manifest = json.loads((folder / "manifest.json").read_text())
    tokens = manifest["tokens"]["training"]
    said = capsys.readouterr().err
    assert f"training: {tokens['tokens']:,} tokens in {tokens['prompts']:,} prompts" in said
    assert "lost their oldest events" in said
    assert said.index("validation: ") < said.index("epoch 1/1")
    assert tokens["longest"] <= 50
    assert tokens["prompts"] == manifest["data"]["roles"][0]
    found = pl.read_parquet(folder / "predictions.parquet")
    assert found.height == manifest["data"]["roles"][2]
    assert found["prediction"].is_between(0, 1).all()
    assert "test/auc" in json.loads((folder / "metrics.json").read_text())
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all("lora" in name or "metrics" in name for name in state)
    assert manifest["bases"]["backbone"]["weights"]


def test_a_frozen_model_is_measured_as_it_is_and_again(run: Run) -> None:
    folder = run("tuning=frozen")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"], manifest["parameters"]["trainable"]) == ("complete", 0, 0)
    first = json.loads((folder / "metrics.json").read_text())
    assert "test/auc" in first
    # what validation chose is kept, though nothing was trained
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert state
    assert all("metrics" in name for name in state)
    assert main(["evaluate", f"run={folder}", "name=again"]) == 0
    again = json.loads((folder / "evaluations/again/metrics.json").read_text())
    assert again == pytest.approx({key: value for key, value in first.items() if key in again}, abs=1e-6, nan_ok=True)
    assert again["test/threshold"] == first["test/threshold"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "backbone.prompt.item='{{ plot }}'",
            "backbone.prompt.item names 'plot', which is not there. Known: item, title,",
        ),
        ("backbone.words=[' rho',' tau',' mu']", "backbone.words must be 2 words, one a label, got 3."),
        ("tuning.target=items", "tuning=lora needs linear layers, and items=NoItems (ModuleList) has none."),
        ("backbone.prompt.max_tokens=9", "a prompt without any history has up to"),
    ],
)
def test_what_cannot_work_ends_before_training(
    more: str, message: str, cache: Path, tmp_path: Path, language_model: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    model = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
    words = [] if "words" in more else ["backbone.words=[' rho',' tau']"]
    line = [o for o in LINE if o.partition("=")[0] != more.partition("=")[0]]
    assert main(["train", *line, f"backbone.model={model}", *words, more, f"run_dir={tmp_path / 'run'}"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())

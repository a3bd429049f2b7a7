"""Whole trainings in several processes: one that fails ends all, and any number goes on from where another was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from lightning import Callback, LightningModule, Trainer

pytestmark = pytest.mark.slow
Run = Callable[..., int]
SMALL = [
    *(
        "data=synthetic data.source.users=60 data.source.items=40 data.source.tastes=4 data.source.events_per_user=16 "
        "data.batch_size=8 max_length=8 width=16 trainer.max_epochs=2 logger=[] checkpoint_seconds=0 items=id "
        "tuning=full backbone.dropout=0 compare=[popularity] trainer.accelerator=cpu"
    ).split(),
    f'hydra.searchpath=["file://{Path(__file__).parent}/planted"]',
    "callbacks=[planted]",
]


class Planted(Callback):
    """``kill|die|fault|pause@RANK@STEP`` in a file beside the run: done before a step; it dies once."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        file = Path(trainer.default_root_dir).parent / "planted"
        what, _, place = (file.read_text() if file.exists() else "").partition("@")
        if place == f"{trainer.global_rank}@{trainer.global_step}":
            if what == "die":
                file.unlink()
            if what in ("kill", "die"):
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "pause":
                file.with_name("paused").touch()
                time.sleep(60)
            raise RuntimeError(f"planted in process {trainer.global_rank}")


def test_one_process_goes_on_as_two_and_two_as_one(train: Run, tmp_path: Path) -> None:
    whole, moved = ([*SMALL, f"run_dir={tmp_path / name}"] for name in ("whole", "moved"))
    assert train(*whole) == 0
    (tmp_path / "planted").write_text("kill@0@3")
    assert train(*moved) == -9
    (tmp_path / "planted").write_text("fault@1@17")  # in the second epoch, so that validation came before it
    line = [sys.executable, "-m", "rec_lightning.cli", "train", *moved, "strategy=fsdp2", "trainer.devices=2"]
    failed = subprocess.run(line, capture_output=True, text=True, timeout=300)
    assert failed.returncode == 1
    assert "process 1 failed" in failed.stderr
    assert failed.stderr.count("Traceback") == failed.stderr.count("RuntimeError: planted in process 1") == 1
    (tmp_path / "planted").unlink()
    assert train(*moved) == 0
    first, second = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=False) for name in ("whole", "moved")
    )
    assert first["global_step"] == second["global_step"]
    for name, value in first["state_dict"].items():
        # a bias of keys changes no attention: its gradient is rounding, which Adam makes steps of
        if not name.endswith("key.bias"):
            torch.testing.assert_close(second["state_dict"][name], value, rtol=1e-4, atol=1e-6)
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "moved")]
    assert metrics[1] == pytest.approx(metrics[0], abs=0.02)


def test_two_processes_leave_a_whole_run(train: Run, tmp_path: Path) -> None:
    one, two = ([*SMALL, "optimizer.lr=1e-12", f"run_dir={tmp_path / name}"] for name in ("one", "two"))
    assert train(*one) == 0
    assert train(*two, "strategy=ddp", "trainer.devices=2") == 0
    # nothing is learnt, so the models are one, and what is measured must agree to the last bit
    for name in ("metrics.json", "history.csv"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()
    rankings = [pl.read_parquet(tmp_path / name / "rankings.parquet") for name in ("one", "two")]
    assert (
        rankings[0]
        .select("user", "target", "rank", "items")
        .equals(rankings[1].select("user", "target", "rank", "items"))
    )
    assert rankings[1]["user"].is_unique().all()
    beside = [
        json.loads((tmp_path / name / "baselines.json").read_text())["popularity"]["metrics"] for name in ("one", "two")
    ]
    assert beside[0] == beside[1]


@pytest.mark.cluster
def test_torchrun_starts_anew_after_a_kill_and_ends_the_same(train: Run, tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    on_two = [*SMALL, "strategy=ddp", "trainer.devices=2"]
    assert train(*on_two, f"run_dir={tmp_path}/whole/run") == 0
    (tmp_path / "killed/planted").write_text("die@1@9")
    assert train(*on_two, "launch=torchrun", "launch.restarts=1", f"run_dir={tmp_path}/killed/run") == 0
    assert not (tmp_path / "killed/planted").exists()
    states = [
        torch.load(tmp_path / name / "run/checkpoints/last.ckpt", weights_only=False)["state_dict"]
        for name in ("whole", "killed")
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert json.loads((tmp_path / "killed/run/manifest.json").read_text())["sessions"] == 2

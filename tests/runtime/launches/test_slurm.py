"""What SLURM is told, and what a job that failed tells; with stubs of its programs in place of a cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.requeued import Command
from rec_lightning.runtime.launches.slurm import Slurm

pytest.importorskip("submitit")


def with_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun"):
        (folder / name).write_text('#!/bin/sh\n[ -f "$1" ] && cat "$1" > "$SUBMITTED"\necho Submitted batch job 7\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(folder / "submitted"))


def test_what_slurm_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_sbatch(tmp_path, monkeypatch)
    launch = Slurm(60, nodes=2, gpus=4, cpus=3, memory_gb=10, partition="gpu", setup=["module load cuda"], wait=False,
                   scratch="/scratch/x", notice=120)  # fmt: skip
    assert launch(lambda text: 0, "seed: 1\n", 4, str(tmp_path / "run")) == 0
    told = (tmp_path / "submitted").read_text()
    for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=3", "--mem=10GB",
                 "--time=60", "--partition=gpu", "--requeue", "--signal=USR2@120", "--job-name=run"):  # fmt: skip
        assert f"#SBATCH {line}\n" in told
    for line in ("module load cuda", "export TMPDIR=/scratch/x", "--kill-on-bad-exit=1"):
        assert line in told
    assert (tmp_path / "run/slurm/config.yaml").read_text() == "seed: 1\n"
    assert f"SLURM job 7; log: {tmp_path}/run/slurm/rank-0.log" in capsys.readouterr().err


def test_the_signal_of_the_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sbatch(tmp_path, monkeypatch)
    launch = Slurm(60, signal="USR1", notice=30, setup=["module load cuda"], wait=False)
    assert launch(lambda text: 0, "seed: 1\n", 1, str(tmp_path / "run")) == 0
    told = (tmp_path / "submitted").read_text()
    assert "#SBATCH --signal=USR1@30\n" in told
    assert "module load cuda\nexport SUBMITIT_PREEMPT_SIGNAL=USR1\n" in told
    with pytest.raises(ValueError, match=r"launch\.signal must be one of \['USR2', 'USR1'\], got 'TERM'"):
        Slurm(60, signal="TERM")


@pytest.mark.parametrize("name", ["time", "nodes", "cpus", "notice"])
def test_values_out_of_range(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sbatch(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=rf"launch\.{name} must be at least 1, got 0\. Set launch\.{name}\."):
        Slurm(**{"time": 1, name: 0})


def test_a_process_that_fails_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "3")
    command = Command(("sh", "-c", "echo why; exit 5"), str(tmp_path / "rank-{rank}.log"), strict=True)
    with pytest.raises(ChildProcessError, match="process 3 ended with 5"):
        command()
    assert (tmp_path / "rank-3.log").read_text() == "why\n"


def test_a_killed_process_is_told_before_what_the_others_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_sbatch(tmp_path, monkeypatch)
    says(tmp_path, monkeypatch, "FAILED")
    monkeypatch.setenv("SLURM_PROCID", "1")
    launch, folder = Slurm(60), tmp_path / "run/slurm"
    before = launch._submit

    def submit(*given: Any) -> str:
        number = before(*given)
        with pytest.raises(ChildProcessError, match="process 1 ended with -9"):
            Command(("sh", "-c", "kill -9 $$"), str(folder / "rank-{rank}.log"), strict=True)()
        (folder / "rank-0.log").write_text("process 0 failed: connection closed")
        return number

    monkeypatch.setattr(launch, "_submit", submit)
    assert launch(lambda text: 0, "seed: 1\n", 1, str(tmp_path / "run")) == 1
    assert "error: process 1 of SLURM job 7 ended by SIGKILL. See " in capsys.readouterr().err


def says(folder: Path, monkeypatch: pytest.MonkeyPatch, *states: str) -> None:
    """A controller that says one state after the other, then that it knows no such job."""
    (folder / "states").write_text("".join(f"JobId=7 JobState={state} Reason=None\n" for state in states))
    (folder / "scontrol").write_text(
        f"#!/bin/sh\nhead -n 1 {folder}/states | grep . || {{ echo Invalid job id >&2; exit 1; }}\n"
        f"sed -i 1d {folder}/states\n"
    )
    (folder / "scontrol").chmod(0o755)
    monkeypatch.setattr("rec_lightning.runtime.launches.slurm._PAUSE", 0.0)


@pytest.mark.parametrize(
    ("states", "told", "code", "message"),
    [
        (["PENDING", "RUNNING", "COMPLETED"], None, 0, ""),
        (["RUNNING", "PENDING", "RUNNING", "FAILED"], "process 1 failed:\nwhy", 1, "process 1 failed:\nwhy"),
        (["RUNNING", "FAILED"], "error: k must be", 2, "error: k must be"),
        (["CANCELLED"], None, 1, "error: SLURM job 7 is CANCELLED. See "),
        ([], None, 1, "error: SLURM job 7 is unknown. See "),
    ],
)
def test_how_a_job_ends(
    states: list[str], told: str | None, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with_sbatch(tmp_path, monkeypatch)
    says(tmp_path, monkeypatch, *states)
    launch, folder = Slurm(60), tmp_path / "run/slurm"
    before = launch._submit

    def submit(*given: Any) -> str:
        number = before(*given)
        if told:
            (folder / "told.000").write_text(told)
        return number

    monkeypatch.setattr(launch, "_submit", submit)
    assert launch(lambda text: 0, "seed: 1\n", 1, str(tmp_path / "run")) == code
    assert message in capsys.readouterr().err


def test_a_job_that_still_runs_is_not_submitted_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sbatch(tmp_path, monkeypatch)
    launch, line = Slurm(60), (lambda text: 0, "seed: 1\n", 1, str(tmp_path / "run"))
    says(tmp_path, monkeypatch, "FAILED")
    assert launch(*line) == 1
    (tmp_path / "submitted").unlink()
    says(tmp_path, monkeypatch, "RUNNING", "RUNNING", "COMPLETED")
    assert launch(*line) == 0
    assert not (tmp_path / "submitted").exists()

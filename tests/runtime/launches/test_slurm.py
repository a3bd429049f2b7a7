"""What SLURM is told, and what a job that failed tells; with stubs of sbatch and sacct in place of a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rec_lightning.requeued import Command
from rec_lightning.runtime.launches.slurm import Slurm

pytest.importorskip("submitit")


def with_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun", "sacct"):
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

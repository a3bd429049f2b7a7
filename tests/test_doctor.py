"""The doctor tells what is here, and a fix for each fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rec_lightning.cli import main
from rec_lightning.runtime import checkup
from rec_lightning.runtime.checkup import Finding


def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REC_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # neither SLURM nor a driver
    monkeypatch.setattr(checkup, "_requirements", lambda: ["numpy>=2"])


def test_a_healthy_machine_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy(monkeypatch, tmp_path)
    assert main(["doctor", "json=true", "free_gb=0", f"run_dir={tmp_path}/none/yet"]) == 0
    found = {one["what"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["gloo"]["state"] == found["packages"]["state"] == found["disk of runs"]["state"] == "good"
    assert found["SLURM"]["state"] == "note"
    assert not (tmp_path / "none").exists()
    assert all(one["fix"] for one in found.values() if one["state"] != "good")


def test_a_fault_ends_with_one_and_its_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy(monkeypatch, tmp_path)
    assert main(["doctor", "free_gb=1e9"]) == 1
    assert "fault" in capsys.readouterr().out
    assert main(["doctor", "free_gb=-1"]) == 2
    assert "free_gb must not be negative, got -1" in capsys.readouterr().err


def stub(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def slurm_down(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    stub(folder, "sbatch", "")
    stub(folder, "sinfo", "echo Unable to contact slurm controller >&2; exit 1")
    return checkup.cluster()


def slurm_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    stub(folder, "sbatch", "")
    stub(folder, "sinfo", "echo 'gpu* 2 idle'")
    return checkup.cluster()


def package_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setattr(checkup, "_requirements", lambda: ["numpy>=2", "no-such-package>=1", "torch>=99"])
    return next(iter(checkup.packages()))


def driver_unused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    stub(folder, "nvidia-smi", "")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return list(checkup.devices())[1]


def disk_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    return checkup.disk("disk", folder, 0)


@pytest.mark.parametrize(
    ("plant", "state", "found"),
    [
        (slurm_down, "fault", "sinfo does not answer: Unable to contact slurm controller"),
        (slurm_up, "good", "gpu* 2 idle"),
        (package_missing, "fault", "no-such-package missing (>=1), torch 2."),
        (driver_unused, "fault", "a driver is here, and torch"),
        (disk_closed, "fault", "cannot be written"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_found(
    plant: Callable[[Path, pytest.MonkeyPatch], Finding],
    state: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if plant is not driver_unused else str(tmp_path))
    finding = plant(tmp_path, monkeypatch)
    assert finding.state == state
    assert found in finding.found
    assert bool(finding.fix) == (state == "fault")

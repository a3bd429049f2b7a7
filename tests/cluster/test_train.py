"""DDP over two nodes of a real SLURM: as one process, and after a requeue or a kill as without."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.cluster.conftest import Cluster
from tests.runtime.test_several import SMALL

pytestmark = pytest.mark.cluster
ON_SLURM = [
    *"strategy=ddp launch=slurm launch.nodes=2 launch.time=10".split(),
    'launch.setup=["export MASTER_ADDR=127.0.0.1"]',  # both nodes are this machine
]
PATIENCE = 400.0


def line(folder: Path) -> list[str]:
    return ["train", *SMALL, *ON_SLURM, f"run_dir={folder}/run"]


@pytest.fixture(scope="module")
def uninterrupted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    started = cluster.rec(*line(folder))
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0, said
    return folder / "run"


def assert_same_end(one: Path, two: Path) -> None:
    states = [torch.load(run / "checkpoints/last.ckpt", weights_only=False)["state_dict"] for run in (one, two)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    for name in ("metrics.json", "history.csv"):
        assert (one / name).read_text() == (two / name).read_text()


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_two_nodes_train_as_one_process(cluster: Cluster, uninterrupted: Path, tmp_path: Path) -> None:
    alone = cluster.rec("train", *SMALL, f"run_dir={tmp_path}/run")
    said, _ = alone.communicate(timeout=PATIENCE)
    assert alone.returncode == 0, said
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (tmp_path / "run", uninterrupted)]
    assert metrics[1] == pytest.approx(metrics[0], abs=0.02)
    manifest = json.loads((uninterrupted / "manifest.json").read_text())
    assert (manifest["status"], manifest["processes"]) == ("complete", 2)
    assert (uninterrupted / "slurm/rank-1.log").is_file()


@pytest.mark.parametrize("signal", ["USR1", "USR2"])
def test_a_notice_sends_the_job_back_into_the_queue_and_it_ends_the_same(
    signal: str, cluster: Cluster, uninterrupted: Path, tmp_path: Path
) -> None:
    (tmp_path / "planted").write_text("pause@0@9")
    started = cluster.rec(*line(tmp_path), f"launch.signal={signal}")
    wait_for((tmp_path / "paused").exists)
    (tmp_path / "planted").unlink()
    number = json.loads((tmp_path / "run/slurm/job.json").read_text())["id"]
    cluster.run("scancel", f"--signal={signal}", number)
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0, said
    assert "Restarts=1" in cluster.run("scontrol", "show", "job", number)
    assert json.loads((tmp_path / "run/manifest.json").read_text())["sessions"] == 2
    assert_same_end(uninterrupted, tmp_path / "run")


def test_a_killed_process_ends_the_job_and_the_same_line_goes_on(
    cluster: Cluster, uninterrupted: Path, tmp_path: Path
) -> None:
    (tmp_path / "planted").write_text("kill@1@9")
    killed = cluster.rec(*line(tmp_path))
    said, _ = killed.communicate(timeout=PATIENCE)
    assert killed.returncode == 1
    assert "error: process 1 of SLURM job" in said
    assert "ended by SIGKILL" in said
    (tmp_path / "planted").unlink()
    again = cluster.rec(*line(tmp_path))
    said, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, said
    assert_same_end(uninterrupted, tmp_path / "run")


def test_a_fault_is_told_where_the_job_was_started(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "planted").write_text("fault@1@2")
    failed = cluster.rec(*line(tmp_path))
    said, _ = failed.communicate(timeout=PATIENCE)
    assert failed.returncode == 1
    assert "process 1 failed" in said
    assert "RuntimeError: planted in process 1" in said
    assert (tmp_path / "run/slurm/rank-0.log").is_file()

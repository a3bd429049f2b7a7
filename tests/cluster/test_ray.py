"""Studies and a training on a real Ray: one that they start themselves and one that runs; in a network namespace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.cluster.conftest import ROOT, which
from tests.runtime.test_several import SMALL

pytestmark = pytest.mark.cluster
PATIENCE = 400.0
OUTSIDE = "10.99.0.1"  # an address that is not the loopback's, as every machine has one
STUDY = f"""
title: How narrow?
question: How narrow may a model be?
protocol: Leave-one-out, full ranking.
metrics: [ndcg@10]
primary: ndcg@10
reference: one
seeds: [1]
fixed: [width]
common:
  train: [data=synthetic, data.source.users=40, data.source.items=30, data.batch_size=8, items=id, tuning=full,
          max_length=8, trainer.max_epochs=1, checkpoint_seconds=0, 'logger=[]', 'compare=[]',
          'hydra.searchpath=["file://{ROOT}/tests/runtime/planted"]', 'callbacks=[planted]']
rows:
  - {{name: one, verb: train, overrides: [width=8]}}
  - {{name: two, verb: train, overrides: [width=12]}}
  - {{name: three, verb: train, overrides: [width=16]}}
  - {{name: four, verb: train, overrides: [width=20]}}
"""


class Inside:
    """A network namespace, and what runs in it.

    Args:
        outside: whether there is an address beside the loopback's own, which Ray prefers.
    """

    def __init__(self, outside: bool = True) -> None:
        route = f"; ip addr add {OUTSIDE}/32 dev lo; ip route add default dev lo src {OUTSIDE}"
        made = f"ip link set lo up{route if outside else ''}"
        self._holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", f"{made}; echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        self._space = Path(f"/proc/{self._holder.pid}/ns/net").readlink()

    def start(self, *command: str) -> subprocess.Popen[str]:
        inside = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *command]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
        return subprocess.Popen(inside, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def study(self, folder: Path, *words: str) -> subprocess.Popen[str]:
        (folder / "study.yaml").write_text(STUDY)
        own = ["study", str(folder / "study.yaml"), "launch=ray", f"run_dir={folder}/runs", *words]
        return self.start(sys.executable, "-m", "rec_lightning.cli", *own)

    def pids(self) -> list[int]:
        """All processes in it but the one that holds it."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "ns/net").readlink() == self._space and int(path.name) != self._holder.pid:
                    found.append(int(path.name))
            except OSError:  # it has ended
                continue
        return found

    def listening(self) -> set[str]:
        """Local addresses and ports of all listening sockets, as the kernel writes them."""
        tables = [Path(f"/proc/{self._holder.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        lines = [line.split() for table in tables for line in table.splitlines()]
        return {words[1] for words in lines if words[3] == "0A"}

    def close(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()


def require_ray() -> None:
    if find_spec("ray") is None:
        pytest.skip("no ray here (extra ray)")
    if lacking := [name for name in ("unshare", "nsenter", "ip") if not which(name)]:
        pytest.skip(f"no {', '.join(lacking)} here (apt-get install util-linux iproute2)")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("a network namespace needs root")


@pytest.fixture
def inside() -> Iterator[Inside]:
    require_ray()
    made = Inside()
    yield made
    made.close()


def wait_for(what: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.2)
    return what()


def statuses(folder: Path) -> dict[str, str]:
    found = sorted((folder / "runs").glob("*/seed-1/manifest.json"))
    return {file.parts[-3]: json.loads(file.read_text())["status"] for file in found}


def plant(folder: Path, row: str, what: str) -> Path:
    (folder / "runs" / row).mkdir(parents=True)
    (folder / "runs" / row / "planted").write_text(what)
    return folder / "runs" / row / "planted"


def test_a_killed_run_does_not_stop_the_others_and_alone_runs_again(inside: Inside, tmp_path: Path) -> None:
    planted = plant(tmp_path, "two", "kill@0@3")
    first = inside.study(tmp_path)
    assert wait_for(lambda: len(inside.listening()) > 0)
    addresses = set[str]()
    while first.poll() is None:
        addresses |= inside.listening()
        time.sleep(0.2)
    said = first.communicate(timeout=PATIENCE)[0]
    assert first.returncode == 1, said
    assert "[2/4] two was killed by SIGKILL" in said
    assert [row for row, status in statuses(tmp_path).items() if status == "complete"] == ["four", "one", "three"]
    # 127.0.0.1 alone, also in the notation of IPv6
    assert {address.partition(":")[0] for address in addresses} <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert wait_for(lambda: not inside.pids(), 30)
    planted.unlink()
    again = inside.study(tmp_path)
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0, said
    assert said.count("kept: already complete") == 3
    assert set(statuses(tmp_path).values()) == {"complete"}
    sessions = [json.loads((tmp_path / f"runs/{row}/seed-1/manifest.json").read_text())["sessions"] for row in
                ("one", "two", "three", "four")]  # fmt: skip
    assert sessions == [1, 2, 1, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_outlives_the_launcher_and_the_next_goes_on(
    number: signal.Signals, inside: Inside, tmp_path: Path
) -> None:
    planted = plant(tmp_path, "one", "pause@0@3")
    stopped = inside.study(tmp_path)
    assert wait_for((planted.with_name("paused")).exists)
    stopped.send_signal(number)
    said = stopped.communicate(timeout=60)[0]
    assert stopped.returncode == (-number if number == signal.SIGKILL else 130), said
    # killed, Ray leaves two idle agents of its own behind
    own = ("ray::DashboardAgent", "ray::RuntimeEnvAgent") if number == signal.SIGKILL else ()
    assert wait_for(lambda: all(command.startswith(own) for command in commands(inside)), 30), commands(inside)
    planted.unlink()
    again = inside.study(tmp_path)
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0, said
    assert list(statuses(tmp_path).values()) == ["complete"] * 4


def ports(inside: Inside) -> set[str]:
    return {address.rpartition(":")[2] for address in inside.listening()}


def machine(inside: Inside, address: str, *words: str) -> subprocess.Popen[str]:
    """A machine of a cluster, with two processors."""
    return inside.start(
        str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=2", "--num-gpus=0",
        "--object-store-memory=100000000", "--disable-usage-stats", f"--node-ip-address={address}", *words,
    )  # fmt: skip


@pytest.fixture
def head(inside: Inside) -> Iterator[subprocess.Popen[str]]:
    """A cluster of one machine."""
    words = "--head --port=6379 --include-dashboard=false"
    started = machine(inside, OUTSIDE, *words.split())
    yield started
    started.terminate()
    started.communicate(timeout=60)


@pytest.mark.parametrize("address", [f"{OUTSIDE}:6379", "auto"])
def test_a_cluster_that_runs(address: str, inside: Inside, head: subprocess.Popen[str], tmp_path: Path) -> None:
    assert wait_for(lambda: f"{6379:04X}" in ports(inside))
    where = f"launch.address={address}"
    refused = inside.study(tmp_path, where, "launch.cpus=3")
    said = refused.communicate(timeout=120)[0]
    assert refused.returncode == 2, said
    assert "launch=ray needs 3 CPUs and 0 GPUs of one machine, and the Ray cluster has" in " ".join(said.split())
    assert "with 2 CPUs and 0 GPUs" in " ".join(said.split())
    planted = plant(tmp_path, "two", "fault@0@3")
    first = inside.study(tmp_path, where)
    said = first.communicate(timeout=PATIENCE)[0]
    assert first.returncode == 1, said
    assert "planted in process 0" in said
    planted.unlink()
    again = inside.study(tmp_path, where)
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0, said
    assert said.count("kept: already complete") == 3
    assert head.poll() is None


@pytest.fixture
def two() -> Iterator[Inside]:
    """A cluster of two machines on one loopback, whose names need no server."""
    require_ray()
    inside = Inside(outside=False)
    try:
        machine(inside, "127.0.0.1", "--head", "--port=6379", "--include-dashboard=false")
        assert wait_for(lambda: any("raylet" in command for command in commands(inside)))
        machine(inside, "127.0.0.1", "--address=127.0.0.1:6379")
        assert wait_for(lambda: sum("/raylet/raylet" in command for command in commands(inside)) >= 2)
        time.sleep(10)  # until both are known
        yield inside
    finally:
        inside.close()


def test_two_machines_train_as_one_process_and_after_a_kill_as_without(two: Inside, tmp_path: Path) -> None:
    def train(name: str, *words: str) -> tuple[int, str]:
        line = ["env", "GLOO_SOCKET_IFNAME=lo", sys.executable, "-m", "rec_lightning.cli", "train", *SMALL, *words]
        started = two.start(*line, f"run_dir={tmp_path / name}/run")
        return started.wait(PATIENCE), started.communicate()[0]

    machines = ["strategy=ddp", "launch=ray", "launch.address=127.0.0.1:6379", "launch.nodes=2"]
    code, said = train("few", *machines[:-1], "launch.nodes=3")
    assert code == 2
    assert "launch=ray needs 1 CPUs and 0 GPUs of 3 machines" in said
    code, said = train("whole", *machines)
    assert code == 0, said
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed/planted").write_text("die@1@9")
    code, said = train("killed", *machines)
    assert code == 1
    assert "was ended by SIGKILL" in said
    code, said = train("killed", *machines)
    assert code == 0, said
    code, said = train("alone")
    assert code == 0, said
    alone, whole, killed = (tmp_path / name / "run" for name in ("alone", "whole", "killed"))
    assert json.loads((whole / "manifest.json").read_text())["processes"] == 2
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (alone, whole)]
    assert metrics[1] == pytest.approx(metrics[0], abs=0.02)
    states = [torch.load(run / "checkpoints/last.ckpt", weights_only=False)["state_dict"] for run in (whole, killed)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert (whole / "metrics.json").read_text() == (killed / "metrics.json").read_text()


def commands(inside: Inside) -> list[str]:
    found = []
    for pid in inside.pids():
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found

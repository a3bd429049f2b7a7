"""What is refused before a cluster is asked, and what runs on its machines; without a cluster."""

from __future__ import annotations

import _thread
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rec_lightning import ray_cluster
from rec_lightning.ray_cluster import check_room, connect, execute, surroundings
from tests.studies.test_launch import gone


def test_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"package ray, which is not installed\. Install rec_lightning\[ray\]"):
        connect()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: object())


@pytest.mark.parametrize("address", ["", "here", "host", "http://host:1", "host:port", "ray://host"])
@pytest.mark.usefixtures("installed")
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match=rf"local, auto, HOST:PORT or ray://HOST:PORT, got '{address}'"):
        connect(address)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
@pytest.mark.usefixtures("installed")
def test_nobody_answers(form: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # without listening
        address = form.format(closed.getsockname()[1])
        start = time.monotonic()
        with pytest.raises(ValueError, match=rf"must answer at launch\.address, got {address}: Connection refused"):
            connect(address)
    assert time.monotonic() - start < ray_cluster._ANSWER


@pytest.mark.usefixtures("installed")
def test_a_greeting_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = SimpleNamespace(init=lambda *_, **__: time.sleep(1))
    monkeypatch.setitem(sys.modules, "ray", silent)  # type: ignore[arg-type]
    monkeypatch.setattr(ray_cluster, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ValueError, match=rf"got {address}: no greeting for 0\.1 seconds"):
            connect(address)


@pytest.mark.usefixtures("installed")
def test_what_ray_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Version mismatch: 2.60.0 and 2.9.0.\nmore")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=refuse))  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"got auto: Version mismatch: 2\.60\.0 and 2\.9\.0\. Set .*RAY_AUTH_MODE=token"
    ):
        connect("auto")


def machine(name: str, alive: bool = True, **has: float) -> dict[str, object]:
    return {"NodeManagerHostname": name, "Alive": alive, "Resources": has}


def test_room_is_that_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [machine("a", CPU=8.0), machine("b", CPU=2.0, GPU=4.0), machine("gone", alive=False, CPU=64.0, GPU=8.0)]
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: nodes))  # type: ignore[arg-type]
    check_room(8, 0)
    check_room(2, 4)
    check_room(0.5, 0.25)
    has = r"the Ray cluster has a with 8 CPUs and 0 GPUs, b with 2 CPUs and 4 GPUs\. Lower launch\.cpus"
    with pytest.raises(ValueError, match=f"launch=ray needs 4 CPUs and 1 GPUs of one machine, and {has}"):
        check_room(4, 1)
    with pytest.raises(
        ValueError, match=r"1 CPUs and 0 GPUs of 3 machines.*Lower launch\.cpus or launch\.gpus, launch\.nodes"
    ):
        check_room(1, 0, 3)
    nodes += [machine(str(number), CPU=1.0) for number in range(20)]
    with pytest.raises(ValueError, match=r"5 with 1 CPUs and 0 GPUs and 14 more\."):
        check_room(9, 0)


@pytest.mark.parametrize(("cpus", "gpus"), [(0.0, 0.0), (-1.0, 0.0), (1.0, -1.0), (1.0, 1.5)])
def test_values_out_of_range(cpus: float, gpus: float) -> None:
    with pytest.raises(ValueError, match=rf"launch\.cpus must be above 0.*got {cpus:g} and {gpus:g}"):
        check_room(cpus, gpus)


def test_devices_and_ray_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"CUDA_VISIBLE_DEVICES": "7", "RAY_ADDRESS": "x", "REC_CACHE": "/cache"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    told = surroundings(2.5)
    assert (told["REC_CACHE"], told["OMP_NUM_THREADS"]) == ("/cache", "2")
    assert not {"CUDA_VISIBLE_DEVICES", "RAY_ADDRESS"} & set(told)


def run(folder: Path, code: str) -> tuple[int, str]:
    (folder / "a.log").touch()
    return execute((sys.executable, "-c", code), str(folder / "a.log"), str(Path.cwd()), surroundings(1))


def test_a_command_and_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # as Ray sets it on the machine
    code = "import os, sys; print(os.environ['CUDA_VISIBLE_DEVICES'], os.getcwd()); sys.exit(5)"
    assert run(tmp_path, code) == (5, "")
    assert (tmp_path / "a.log").read_text() == f"3 {Path.cwd()}\n"
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)") == (-signal.SIGKILL, "")


def test_a_folder_that_the_machine_does_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_SEEN", 0.1)
    for log, folder, missing in (("a/b.log", ".", "a/b.log"), ("c.log", "gone", "gone")):
        (tmp_path / "c.log").touch()
        code, reason = execute(("true",), str(tmp_path / log), str(tmp_path / folder), {})
        assert code == 2
        assert f"{socket.gethostname()} does not see {tmp_path / missing}. Choose another run_dir." in reason


def test_it_waits_for_what_an_earlier_launcher_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.open(tmp_path / "a.task", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(ray_cluster, "_FREE", 0.1)
    assert run(tmp_path, "print(1)") == (1, f"error: {tmp_path}/a.log is still being written by the task of another "
                                            "launcher. Start again later.")  # fmt: skip
    monkeypatch.setattr(ray_cluster, "_FREE", 30)
    threading.Timer(0.5, os.close, [other]).start()
    start = time.monotonic()
    assert run(tmp_path, "print(1)") == (0, "")
    assert time.monotonic() - start > 0.4


def test_a_cancellation_ends_all_that_it_started(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"

    def cancel() -> None:
        while not (tmp_path / "a.log").read_text():
            time.sleep(0.02)
        _thread.interrupt_main()  # as Ray does

    (tmp_path / "a.log").touch()
    threading.Thread(target=cancel).start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, f"{child}; print(p.pid, flush=True); time.sleep(60)")
    assert gone(int((tmp_path / "a.log").read_text()))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

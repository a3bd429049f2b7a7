"""A Ray cluster: a connection to one that runs, or one of this machine alone; and a command as a task of it.

One that is started here listens on the loopback alone, where Ray by itself takes the machine's outside address, and it
ends with this process, however that ends; only a SIGKILL leaves two idle agents of Ray behind.

Relations: ``studies/ray_tasks`` runs the rows of a study so, ``runtime/launches/ray`` a training. Needs the extra
``ray``.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_ANSWER = 5.0  # seconds for a connection to the address
_PATIENCE = 60.0  # seconds for Ray's own greeting
_SEEN = 10.0  # seconds until a file of one machine shows on another
_FREE = 120.0  # seconds until what a killed launcher left has ended; Ray Client keeps it for 30
_GRACE = 5.0  # seconds between asking a process to end and killing it
_STORE = 100 << 20  # bytes of shared memory: nothing large goes through it
CANCELLED = -signal.SIGTERM  # the code of a task that was asked to end
_NAMED = 8  # machines of a cluster that a message names


def connect(address: str = "local") -> None:
    """Connects this process with a cluster.

    Args:
        address: ``local`` starts one; ``auto`` finds the one that this machine belongs to, ``HOST:PORT`` one by its
            head; ``ray://HOST:PORT`` speaks to it from outside, as far as Ray Client does (with grpcio 1.85 its server
            refused the second program).

    Raises:
        ValueError: no ray here, another form of address, nobody who answers there, or Ray's own refusal.
    """
    if find_spec("ray") is None:
        raise ValueError(
            "launch=ray needs the package ray, which is not installed. Install rec_lightning[ray], or set launch=local."
        )
    found = re.fullmatch(r"local|auto|(?:ray://)?([^/:\s]+|\[[^\]\s]+\]):(\d+)", address)
    if found is None:
        raise ValueError(
            f"launch.address must be local, auto, HOST:PORT or ray://HOST:PORT, got {address!r}. Set launch.address."
        )
    if found[1]:
        _reach(address, found[1].strip("[]"), int(found[2]))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        _start()
    else:
        _join(address)


def check_room(cpus: float, gpus: float, count: int = 1) -> None:
    """Refuses what the machines of the cluster cannot give, for which Ray would wait for ever.

    Args:
        cpus: processors of a task.
        gpus: of a task; below 1 for a share of one.
        count: machines that must have so many.

    Raises:
        ValueError: a value out of range, or fewer such machines.
    """
    if cpus <= 0 or gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise ValueError(
            "launch.cpus must be above 0, and launch.gpus 0, a share of one GPU or a whole number, got "
            f"{cpus:g} and {gpus:g}. Set them."
        )
    import ray

    machines = [
        (str(node["NodeManagerHostname"]), node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]
    fit = sum(has_cpus >= cpus and has_gpus >= gpus for _, has_cpus, has_gpus in machines)
    if fit < count:
        there = [f"{name} with {has_cpus:g} CPUs and {has_gpus:g} GPUs" for name, has_cpus, has_gpus in machines]
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        who = f"{count} machines" if count > 1 else "one machine"
        fewer = ", launch.nodes" if count > 1 else ""
        raise ValueError(
            f"launch=ray needs {cpus:g} CPUs and {gpus:g} GPUs of {who}, and the Ray cluster has "
            f"{', '.join(there[:_NAMED])}{more}. Lower launch.cpus or launch.gpus{fewer}, or choose another "
            "launch.address."
        )


def _reach(address: str, host: str, port: int) -> None:
    # ray itself tries for minutes
    try:
        socket.create_connection((host, port), timeout=_ANSWER).close()
    except OSError as error:
        reason = "this name is not known here" if isinstance(error, socket.gaierror) else error.strerror or error
        raise ValueError(
            f"a Ray cluster must answer at launch.address, got {address}: {reason}. Start it (ray start --head), set "
            "another launch.address, or leave it out for one of this machine alone."
        ) from error


def _join(address: str) -> None:
    refused: list[Exception] = []

    def init() -> None:
        import ray

        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # noqa: BLE001 whatever it is, it is told
            refused.append(error)

    # in a thread, since nothing interrupts its patience with what is no Ray
    thread = threading.Thread(target=init, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if thread.is_alive() or refused:
        reason = str(refused[0]).strip().partition("\n")[0] if refused else f"no greeting for {_PATIENCE:g} seconds"
        raise ValueError(
            f"launch.address must be a Ray cluster that takes this program, got {address}: {reason} Set HOST:PORT on "
            "a machine of the cluster, ray://HOST:PORT from outside, RAY_AUTH_MODE=token where it wants a token, or "
            "leave launch.address out."
        ) from (refused[0] if refused else None)


def _start() -> None:
    # read when ray is imported; its name tells of other systems, where Ray stays on the loopback
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    folder = tempfile.mkdtemp(prefix="ray-")  # of its own: the path of a socket must be short

    def stop() -> None:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    try:
        ray.init(
            "local",
            num_cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            object_store_memory=_STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except Exception as error:
        raise ValueError(
            f"a Ray cluster of this machine must start, and it does not: {str(error).rstrip('.')}. Start again where "
            "the machine is busy, set TMPDIR to a folder with a short path and some room, or set launch=local."
        ) from error


def task_of(cpus: float, gpus: float) -> Any:
    """``execute`` as a function of the cluster: its ``remote`` starts a task and gives its reference.

    Args:
        cpus: processors of a task.
        gpus: of a task; below 1 for a share of one.
    """
    import ray

    # by value: the machines' own path need not know this package
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(execute)


def result_of(reference: Any) -> tuple[int, str]:
    """The exit code of a task that has ended, and why where its command could not tell.

    Args:
        reference: as ``remote`` gave it.
    """
    import ray

    try:
        code, reason = ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return CANCELLED, ""
    except ray.exceptions.RayError as error:  # the machine, Ray's process or its memory is gone
        return 1, f"error: Ray lost this run: {str(error).strip().partition(chr(10))[0]}"
    return int(code), str(reason)


def spread(count: int, cpus: float, gpus: float) -> list[Any]:
    """Places on so many machines, which Ray keeps together until this process ends.

    Args:
        count: machines.
        cpus: processors on each.
        gpus: on each.

    Returns:
        A scheduling strategy for each.
    """
    from ray.util import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": cpus, **({"GPU": gpus} if gpus else {})}] * count, strategy="STRICT_SPREAD")
    return [PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number) for number in range(count)]


def meeting_point(place: Any) -> str:
    """``HOST:PORT`` on the machine of a place, which is free now.

    Args:
        place: a scheduling strategy.
    """
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return str(ray.get(ray.remote(num_cpus=0)(_free_port).options(scheduling_strategy=place).remote()))


def _free_port() -> str:
    from ray.util import get_node_ip_address

    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"{get_node_ip_address()}:{probe.getsockname()[1]}"


def surroundings(cpus: float) -> dict[str, str]:
    """The environment of this process as commands on other machines get it; which devices they see Ray says there.

    Args:
        cpus: processors of a task.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_") and "_VISIBLE_" not in key}
    return {"OMP_NUM_THREADS": str(max(1, int(cpus))), **kept, "PYTHONUNBUFFERED": "1"}


def execute(command: Sequence[str], log: str, folder: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """A task: the command with its output at the end of the log, once no other task has it.

    Args:
        command: program and arguments.
        log: path of a file that the launcher has made.
        folder: where the launcher was started.
        environment: variables of the process.

    Returns:
        Its exit code, negative for a signal, and why it did not start; empty where it did.
    """
    end = time.monotonic() + _SEEN
    while not (Path(log).is_file() and Path(folder).is_dir()):
        if time.monotonic() > end:
            return 2, (
                f"error: run_dir must lie on a file system that all machines share, and {socket.gethostname()} does "
                f"not see {log if Path(folder).is_dir() else folder}. Choose another run_dir."
            )
        time.sleep(0.1)
    lock = os.open(Path(log).with_suffix(".task"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _locked(lock):
            return 1, f"error: {log} is still being written by the task of another launcher. Start again later."
        seen = {key: value for key, value in os.environ.items() if re.fullmatch(r"[A-Z]+_VISIBLE_[A-Z]+", key)}
        return _follow(command, log, folder, {**environment, **seen}, lock)
    except OSError as error:
        return 1, f"error: {error}"
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    # the launcher's own lock ends with it; what it had started may end later
    end = time.monotonic() + _FREE
    while time.monotonic() < end:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)
        else:
            return True
    return False


def _follow(command: Sequence[str], log: str, folder: str, environment: dict[str, str], lock: int) -> tuple[int, str]:
    process: subprocess.Popen[bytes] | None = None
    try:
        with Path(log).open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "rec_lightning.studies.tether", str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=(lock,),  # as long as the command lives, nobody else starts it
            )
        while process.poll() is None:
            time.sleep(0.05)  # a cancellation raises KeyboardInterrupt between two bytecodes, not in a wait
        return process.returncode, ""
    finally:
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # a cancellation is repeated until it is done
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
            if number == signal.SIGKILL or process.poll() is None:
                try:
                    os.killpg(process.pid, number)
                    process.wait(patience)
                except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                    continue
    finally:
        signal.signal(signal.SIGINT, handler)

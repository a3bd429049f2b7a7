"""A training on a Ray cluster: a task on each of its machines, and torchrun's engine in it for the processes there.

What it writes lies in ``<run_dir>/ray``: the configuration and a log of each machine; so the folder must lie on a file
system that the machines share. All end with the program that started them, and the same line goes on.

Relations: ``torchrun`` is the same where the machines are started by hand; ``slurm`` outlives the program.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rec_lightning.ray_cluster import (
    CANCELLED,
    check_room,
    connect,
    meeting_point,
    result_of,
    spread,
    surroundings,
    task_of,
)

_GRACE = 15.0  # seconds for the other machines to end by themselves after one failed, or was asked to
_TOLD = re.compile(r"^(?:error: |process \d+ failed:)", re.MULTILINE)


class Ray:
    """Starts a training on machines of a cluster and waits for it.

    Args:
        address: ``local`` starts a cluster of this machine alone; ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        nodes: machines; trainer.devices processes run on each.
        cpus: for each process.
        gpus: on each machine.
        restarts: times that all processes start anew.

    Raises:
        ValueError: a value out of range.
    """

    elsewhere = True

    def __init__(self, address: str = "local", nodes: int = 1, cpus: int = 1, gpus: int = 0, restarts: int = 0) -> None:
        if min(nodes, cpus) < 1 or min(gpus, restarts) < 0:
            raise ValueError(
                "launch.nodes and launch.cpus must be at least 1, launch.gpus and launch.restarts at least 0, got "
                f"{nodes}, {cpus}, {gpus} and {restarts}. Set them."
            )
        self.address, self.nodes, self.cpus, self.gpus, self.restarts = address, nodes, cpus, gpus, restarts

    def starts(self, processes: int) -> bool:
        """Always: they run elsewhere."""
        return True

    def __call__(self, work: Callable[[str], int], text: str, processes: int, run_dir: str) -> int:
        """Runs the training on the machines; gives the exit code.

        Raises:
            ValueError: no ray here, nobody at the address, or fewer machines with so many processors and GPUs.
        """
        connect(self.address)
        cpus = self.cpus * processes
        check_room(cpus, self.gpus, self.nodes)
        folder = (Path(run_dir).expanduser() / "ray").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        logs = [folder / f"machine-{number}.log" for number in range(self.nodes)]
        origins = [_end_of(log) for log in logs]
        print(f"Ray; log: {logs[0]}", file=sys.stderr, flush=True)
        places = spread(self.nodes, cpus, self.gpus)
        endpoint = meeting_point(places[0]) if self.nodes > 1 else ""
        how = [str(number) for number in (processes, self.restarts, self.nodes)]
        command = (sys.executable, "-m", "rec_lightning.worker", str(folder / "config.yaml"), *how)
        task, told = task_of(cpus, self.gpus), surroundings(self.cpus)
        tasks = [
            task.options(scheduling_strategy=place).remote(
                (*command, str(number), endpoint), str(log), str(Path.cwd()), told
            )
            for number, (place, log) in enumerate(zip(places, logs, strict=True))
        ]
        ended = _follow(tasks)
        codes = [code for _, code, _ in ended if code]
        if codes:
            print(_reason(ended, logs, origins), file=sys.stderr, flush=True)
        return 0 if not codes else codes[0] if codes[0] > 0 else 1


def _follow(tasks: list[Any]) -> list[tuple[int, int, str]]:
    """Number, exit code and reason of each task in the order in which they ended; one that fails ends the others."""
    import ray

    left, ended, end = dict(enumerate(tasks)), list[tuple[int, int, str]](), float("inf")
    try:
        while left and time.monotonic() < end:
            for ready in ray.wait(list(left.values()), timeout=1.0)[0]:
                number = next(number for number, task in left.items() if task == ready)
                ended.append((number, *result_of(left.pop(number))))
                if ended[-1][1]:
                    end = min(end, time.monotonic() + _GRACE)
    finally:
        for task in left.values():
            ray.cancel(task)
        if left:
            ray.wait(list(left.values()), num_returns=len(left), timeout=_GRACE)
    return [*ended, *((number, CANCELLED, "") for number in left)]


def _reason(ended: list[tuple[int, int, str]], logs: list[Path], origins: list[int]) -> str:
    # a process that was killed could not tell, and what the others tell is a consequence
    said = [reason or _told(logs[number], origins[number]) for number, code, reason in ended if code]
    return next((text for text in said if signal.SIGKILL.name in text), next(filter(None, said), f"See {logs[0]}."))


def _told(log: Path, origin: int) -> str:
    text = log.read_bytes()[origin:].decode(errors="replace")
    found = _TOLD.search(text)
    return text[found.start() :].rstrip() if found else ""


def _end_of(log: Path) -> int:
    with log.open("ab") as file:
        return file.tell()

"""Jobs as processes of this machine, each in a session of its own, so that its whole group can be ended.

Relations: the place that ``launch`` takes by default; ``tether`` covers a killed launcher.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rec_lightning.studies.job import Job

_TAIL_BYTES = 8192
_TAIL_LINES = 12
_GRACE = 5.0  # seconds between asking a process to end and killing it
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Processes:
    """This machine; its cores are divided among the processes that run at a time."""

    pause = 0.2

    def start(self, jobs: Sequence[Job], parallel: int) -> list[LocalProcess]:
        """One process a job."""
        return [LocalProcess(job, _environment(parallel)) for job in jobs]


class LocalProcess:
    """A process of this machine.

    Args:
        job: to start.
        environment: variables of the process.
    """

    def __init__(self, job: Job, environment: Mapping[str, str]) -> None:
        tethered = [sys.executable, "-m", "rec_lightning.studies.tether", str(os.getpid()), *job.command]
        with job.log.open("ab") as log:
            self._process = subprocess.Popen(
                tethered,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # an interrupt at the terminal reaches the launcher alone, which ends the group
            )

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, or for so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def end(self) -> int:
        """Ends the process's whole group, also what a finished process left behind."""
        if self._process.poll() is None:
            self._signal_group(signal.SIGTERM)
            self.wait(_GRACE)
        self._signal_group(signal.SIGKILL)
        return self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # nobody left; macOS says the second of a group of zombies
            return


def _environment(parallel: int) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so that the last line is not late
    if parallel > 1 and "OMP_NUM_THREADS" not in environment:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        environment["OMP_NUM_THREADS"] = str(max(1, cores // parallel))
    return environment


def log_tail(path: Path, origin: int = 0) -> tuple[str, ...]:
    """Last lines of a log that are not empty, as a terminal would show them in the end.

    Args:
        path: of the log.
        origin: byte from which on it counts.
    """
    with path.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(origin, size - _TAIL_BYTES))
        text = _ANSI.sub("", log.read().decode(errors="replace"))
    lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return tuple(line for line in lines if line)[-_TAIL_LINES:]

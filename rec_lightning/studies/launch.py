"""Runs jobs one after another, each in a process of its own, and leaves none behind.

A process of its own makes its peak memory, its time and its failure its own. One that fails does not stop the
others; an interrupt or a termination of the launcher ends the running one first.

Relations: ``plan`` makes the jobs, a ``Watcher`` as in ``progress`` shows them, ``tether`` covers a killed launcher.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Protocol

_TAIL_BYTES = 8192
_TAIL_LINES = 12
_GRACE = 5.0  # seconds between asking a process to end and killing it
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Job:
    """A process to run.

    Args:
        name: as people know it.
        command: program and arguments.
        printed: the line a person types to run it again.
        log: file that receives its output, appended; its folder exists.
        proof: file the run writes at its very end; when it is there before and unchanged after, the run was kept.
        expected: seconds it may take, for the time left; None when unknown.
    """

    name: str
    command: tuple[str, ...]
    printed: str
    log: Path
    proof: Path
    expected: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        job: which.
        code: exit code, negative for a signal.
        seconds: on the clock.
        kept: it ended well and there was nothing to do.
        tail: last lines of its output.
    """

    job: Job
    code: int
    seconds: float
    kept: bool
    tail: tuple[str, ...]


class Watcher(Protocol):
    """Sees jobs start, run and end."""

    def started(self, job: Job) -> None:
        """Its process is about to start."""
        ...

    def running(self, job: Job, seconds: float, line: str) -> None:
        """It has run for so long, and this is the last line it wrote, empty before the first."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """It has ended, well or not."""
        ...


def launch(jobs: Sequence[Job], watcher: Watcher, pause: float = 0.2) -> list[Outcome]:
    """Runs the jobs in order.

    Args:
        jobs: what to run.
        watcher: told about every job.
        pause: seconds between two looks at the running process.

    Returns:
        One outcome a job, in order, failures included.

    Raises:
        OSError: a log that cannot be written.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the running process has ended.
    """
    outcomes = []
    with _termination_as_interrupt():
        for job in jobs:
            watcher.started(job)
            outcomes.append(_run(job, watcher, pause))
            watcher.ended(outcomes[-1])
    return outcomes


def _run(job: Job, watcher: Watcher, pause: float) -> Outcome:
    before, start = _content(job.proof), time.monotonic()
    with _log(job) as log:
        origin = log.tell()
        process = _start(job, log)
        try:
            while _waits(process, pause):
                last = log_tail(job.log, origin)[-1:]
                watcher.running(job, time.monotonic() - start, last[0] if last else "")
        finally:
            _end(process)
    kept = process.returncode == 0 and before is not None and before == _content(job.proof)
    return Outcome(job, process.returncode, time.monotonic() - start, kept, log_tail(job.log, origin))


def _log(job: Job) -> IO[bytes]:
    log = job.log.open("ab")
    log.write(f"$ {job.printed}\n".encode())
    log.flush()
    return log


def _start(job: Job, log: IO[bytes]) -> subprocess.Popen[bytes]:
    tethered = [sys.executable, "-m", "rec_lightning.studies.tether", str(os.getpid()), *job.command]
    return subprocess.Popen(
        tethered,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # so that the last line is not late
        start_new_session=True,  # an interrupt at the terminal reaches the launcher alone, which ends the whole group
    )


def _waits(process: subprocess.Popen[bytes], pause: float) -> bool:
    try:
        process.wait(pause)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process's whole group, also what a finished process left behind."""
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        if process.poll() is None:
            _signal_group(process, number)
            _waits(process, grace) if grace else process.wait()
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # nobody left; macOS says the second of a group of zombies
        return


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM would end the launcher without its ``finally``; signals can be set in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


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

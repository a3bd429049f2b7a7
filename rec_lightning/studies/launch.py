"""Runs jobs, a few at a time, each in a process of its own, and leaves none behind.

A process of its own makes its peak memory, its time and its failure its own. One that fails does not stop the
others; an interrupt or a termination of the launcher ends the running ones first. Two launchers never run one job at
the same time: a lock on its log says who does.

Relations: ``plan`` makes the jobs, a ``Watcher`` as in ``progress`` shows them, ``tether`` covers a killed launcher.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        log: file that receives its output, appended.
        proof: file the run writes at its very end; when it is there before and unchanged after, the run was kept.
        expected: seconds it may take, for the time left; None when unknown.
        keep: asked just before the start whether there is nothing to do; None starts it always.
    """

    name: str
    command: tuple[str, ...]
    printed: str
    log: Path
    proof: Path
    expected: float | None = None
    keep: Callable[[], bool] | None = None


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
    """Sees jobs start, run and end; several may run at a time."""

    def started(self, job: Job) -> None:
        """Its process is about to start."""
        ...

    def elsewhere(self, job: Job) -> None:
        """Another launcher runs it; this one comes back to it."""
        ...

    def running(self, job: Job, seconds: float, line: str) -> None:
        """It has run for so long, and this is the last line it wrote, empty before the first."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """It has ended, well or not."""
        ...


def launch(jobs: Sequence[Job], watcher: Watcher, pause: float = 0.2, parallel: int = 1) -> list[Outcome]:
    """Runs the jobs, started in order. A job that another launcher runs waits until that has ended.

    Args:
        jobs: what to run, each with a log of its own.
        watcher: told about every job.
        pause: seconds between two looks at the running processes.
        parallel: number of processes at a time; the processor's cores are divided among them.

    Returns:
        One outcome a job, in order, failures included.

    Raises:
        ValueError: less than one process at a time.
        OSError: a log that cannot be written.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the running processes have ended.
    """
    if parallel < 1:
        raise ValueError(f"jobs must be at least 1, got {parallel}. Set jobs=1.")
    waiting, running, outcomes = list(enumerate(jobs)), list[_Running](), dict[int, Outcome]()
    environment = _environment(parallel)
    with _termination_as_interrupt():
        try:
            while waiting or running:
                while len(running) < parallel and (started := _start_first(waiting, watcher, environment)):
                    if isinstance(started, _Running):
                        running.append(started)
                    else:
                        outcomes[started[0]] = started[1]
                if not waiting and not running:
                    break
                _pause(running, pause)
                for run in [run for run in running if not run.goes_on(watcher)]:
                    running.remove(run)
                    outcomes[run.number] = run.end()
                    watcher.ended(outcomes[run.number])
        finally:
            for run in running:
                run.end()
    return [outcomes[number] for number in range(len(jobs))]


def _environment(parallel: int) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so that the last line is not late
    if parallel > 1 and "OMP_NUM_THREADS" not in environment:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        environment["OMP_NUM_THREADS"] = str(max(1, cores // parallel))
    return environment


def _start_first(
    waiting: list[tuple[int, Job]], watcher: Watcher, environment: Mapping[str, str]
) -> _Running | tuple[int, Outcome] | None:
    """Starts or keeps the first job that no other launcher runs, and takes it from those waiting."""
    for number, job in waiting:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        lock = _claim(job.log)
        if lock is None:
            watcher.elsewhere(job)
            continue
        waiting.remove((number, job))
        watcher.started(job)
        if job.keep is not None and job.keep():
            os.close(lock)
            outcome = Outcome(job, 0, 0.0, True, ())
            watcher.ended(outcome)
            return number, outcome
        return _Running(number, job, lock, environment)
    return None


def _claim(path: Path) -> int | None:
    # a lock goes with its process, however that ends; no child inherits this descriptor
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _pause(running: Sequence[_Running], pause: float) -> None:
    if running:
        _waits(running[0].process, pause)
    else:
        time.sleep(pause)


class _Running:
    """A job whose process was started; ``end`` must be called."""

    def __init__(self, number: int, job: Job, lock: int, environment: Mapping[str, str]) -> None:
        self.number, self.job, self._lock = number, job, lock
        self._before, self._start = _content(job.proof), time.monotonic()
        with job.log.open("ab") as log:
            log.write(f"$ {job.printed}\n".encode())
            log.flush()
            self._origin = log.tell()
            self.process = _start(job, log, environment)

    def goes_on(self, watcher: Watcher) -> bool:
        """Whether the process still runs; if so the watcher hears its last line."""
        if self.process.poll() is not None:
            return False
        last = log_tail(self.job.log, self._origin)[-1:]
        watcher.running(self.job, time.monotonic() - self._start, last[0] if last else "")
        return True

    def end(self) -> Outcome:
        """Ends the process where it still runs, with all it started, and gives the job free."""
        _end(self.process)
        kept = self.process.returncode == 0 and self._before is not None and self._before == _content(self.job.proof)
        seconds = time.monotonic() - self._start
        os.close(self._lock)
        return Outcome(self.job, self.process.returncode, seconds, kept, log_tail(self.job.log, self._origin))


def _start(job: Job, log: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    tethered = [sys.executable, "-m", "rec_lightning.studies.tether", str(os.getpid()), *job.command]
    return subprocess.Popen(
        tethered,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
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

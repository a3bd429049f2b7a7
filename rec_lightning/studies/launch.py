"""Runs jobs, a few at a time, each in a process of its own, and leaves none behind.

A process of its own makes its peak memory, its time and its failure its own. One that fails does not stop the
others; an interrupt or a termination of the launcher ends the running ones first. Two launchers never run one job at
the same time: a lock on its log says who does.

Relations: ``plan`` makes the jobs, ``supply`` hands them out, ``processes`` starts them; a ``Watcher``
as in ``progress`` shows them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

from rec_lightning.studies.job import Job, Outcome, Place, Process, Watcher
from rec_lightning.studies.processes import Processes, log_tail
from rec_lightning.studies.stopping import termination_as_interrupt
from rec_lightning.studies.supply import Listed, Supply


def launch(
    jobs: Sequence[Job], watcher: Watcher, pause: float | None = None, parallel: int = 1, place: Place | None = None
) -> list[Outcome]:
    """Runs the jobs, started in order. A job that another launcher runs waits until that has ended.

    Args:
        jobs: what to run, each with a log of its own.
        watcher: told about every job.
        pause: seconds between two looks at the running processes; the place's by default.
        parallel: number of processes at a time; the processor's cores are divided among them.
        place: where they run; this machine by default.

    Returns:
        One outcome a job, in order, failures included.

    Raises:
        ValueError: less than one process at a time.
        OSError: a log that cannot be written.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the running processes have ended.
    """
    supply = Listed(jobs)
    drive(supply, watcher, pause, parallel, place)
    return [supply.outcomes[number] for number in range(len(jobs))]


def drive(
    supply: Supply, watcher: Watcher, pause: float | None = None, parallel: int = 1, place: Place | None = None
) -> None:
    """Runs what a supply offers until it is done.

    Args:
        supply: of jobs, each with a log of its own.
        watcher: told about every job.
        pause: seconds between two looks at the running processes; the place's by default.
        parallel: number of processes at a time.
        place: where they run; this machine by default.

    Raises:
        ValueError: less than one process at a time.
        OSError: a log that cannot be written.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the running processes have ended.
    """
    if parallel < 1:
        raise ValueError(f"jobs must be at least 1, got {parallel}. Set jobs=1.")
    running, where = list[_Running](), place or Processes()
    pause = where.pause if pause is None else pause
    with termination_as_interrupt():
        try:
            while not supply.done or running:
                if not supply.done and len(running) < parallel:
                    _start(supply, watcher, running, parallel, where)
                if supply.done and not running:
                    break
                _pause(running, pause)
                for run in [run for run in running if not run.goes_on(supply, watcher)]:
                    outcome = run.end()
                    watcher.ended(outcome)
                    supply.ended(outcome)
                    running.remove(run)
                    run.give_free()
        finally:
            for run in reversed(running):  # what waits in a cluster's queue before what makes room for it
                run.end()
                run.give_free()


def _start(supply: Supply, watcher: Watcher, running: list[_Running], parallel: int, place: Place) -> None:
    """Starts or keeps what no other launcher runs, as many as can run at a time."""
    claimed: list[tuple[Job, int]] = []
    for job in supply.offer(parallel - len(running)):
        if len(running) + len(claimed) == parallel:
            break
        job.log.parent.mkdir(parents=True, exist_ok=True)
        lock = _claim(job.log)
        if lock is None:
            watcher.elsewhere(job)
            continue
        supply.started(job)
        watcher.started(job)
        if job.keep is not None and job.keep():
            outcome = Outcome(job, 0, 0.0, True, ())
            watcher.ended(outcome)
            supply.ended(outcome)
            os.close(lock)
            continue
        claimed.append((job, lock))
    if claimed:
        runs = [_Running(job, lock) for job, lock in claimed]
        for run, process in zip(runs, place.start([job for job, _ in claimed], parallel), strict=True):
            run.process = process
        running += runs


def is_free(log: Path) -> bool:
    """Whether no launcher runs the job of this log now."""
    if not log.is_file():
        return True
    lock = _claim(log)
    if lock is not None:
        os.close(lock)
    return lock is not None


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
        running[0].process.wait(pause)
    else:
        time.sleep(pause)


class _Running:
    """A claimed job; its process is set when it has started, and ``end`` must be called then."""

    process: Process

    def __init__(self, job: Job, lock: int) -> None:
        self.job, self._lock, self._stopped = job, lock, False
        self._before, self._start = _content(job.proof), time.monotonic()
        with job.log.open("ab") as log:
            log.write(f"$ {job.printed}\n".encode())
            self._origin = log.tell()

    def goes_on(self, supply: Supply, watcher: Watcher) -> bool:
        """Whether the process still runs and should; if so the watcher hears its last line."""
        if self.process.code() is not None:
            return False
        if not supply.goes_on(self.job):
            self._stopped = True
            return False
        last = log_tail(self.job.log, self._origin)[-1:]
        watcher.running(self.job, time.monotonic() - self._start, last[0] if last else "")
        return True

    def end(self) -> Outcome:
        """Ends the process where it still runs, with all it started."""
        code = self.process.end()
        kept = code == 0 and self._before is not None and self._before == _content(self.job.proof)
        seconds = time.monotonic() - self._start
        stopped = self._stopped and code != 0
        return Outcome(self.job, code, seconds, kept, log_tail(self.job.log, self._origin), stopped)

    def give_free(self) -> None:
        """Lets other launchers take the job."""
        os.close(self._lock)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None

"""A job of a study, how it ended, who watches it, and where it runs.

Relations: ``plan`` makes jobs, ``launch`` runs them in a place as ``processes``, ``progress`` shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
        identity: a text that changes whenever it would compute something else.
    """

    name: str
    command: tuple[str, ...]
    printed: str
    log: Path
    proof: Path
    expected: float | None = None
    keep: Callable[[], bool] | None = None
    identity: Callable[[], str] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        job: which.
        code: exit code, negative for a signal.
        seconds: on the clock.
        kept: it ended well and there was nothing to do.
        tail: last lines of its output.
        stopped: it was ended early because it did poorly, which is no failure.
    """

    job: Job
    code: int
    seconds: float
    kept: bool
    tail: tuple[str, ...]
    stopped: bool = False


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


class Process(Protocol):
    """A job that was started."""

    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        ...

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, or for so long."""
        ...

    def end(self) -> int:
        """Ends it where it still runs, with all it started; its exit code."""
        ...


class Place(Protocol):
    """Where jobs run: this machine, or a cluster. ``pause`` is the seconds between two looks at what runs."""

    pause: float

    def start(self, jobs: Sequence[Job], parallel: int) -> Sequence[Process]:
        """Starts jobs, each with the end of its log as the place of its output.

        Args:
            jobs: whose logs exist.
            parallel: how many may run at a time in all.
        """
        ...

"""Watchers of a launch: a live table on a terminal, one line as each job starts and ends elsewhere.

Relations: shows what ``launch`` tells.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rec_lightning.studies.formats import ending, seconds
from rec_lightning.studies.job import Job, Outcome, Watcher

_ROWS = 30  # of the table; of more jobs those that ended first are left out


@contextmanager
def watching(jobs: Sequence[Job], console: Console, parallel: int = 1, total: int | None = None) -> Iterator[Watcher]:
    """The watcher that suits the console.

    Args:
        jobs: that are known; others come when they start.
        console: where to write.
        parallel: how many run at a time.
        total: number of jobs, where more come than are known.
    """
    total = len(jobs) if total is None else total
    if not console.is_terminal:
        yield Lines(total, console)
        return
    table = LiveTable(jobs, parallel, total)
    with Live(table, console=console, refresh_per_second=4):
        yield table


class Lines:
    """One line as each job starts and ends, for logs.

    Args:
        total: number of jobs.
        console: where to write.
    """

    def __init__(self, total: int, console: Console) -> None:
        self._total, self._console = total, console
        self._numbers, self._elsewhere = dict[str, int](), set[str]()

    def started(self, job: Job) -> None:
        """Says which job starts."""
        self._numbers[job.name] = len(self._numbers) + 1
        self._print(job, "...")

    def elsewhere(self, job: Job) -> None:
        """Says once that another launcher runs the job."""
        if job.name not in self._elsewhere:
            self._elsewhere.add(job.name)
            self._console.print(f"{job.name}: another launcher runs it", markup=False, highlight=False)

    def running(self, job: Job, seconds: float, line: str) -> None:
        """Says nothing: a log wants no news between the start and the end."""

    def ended(self, outcome: Outcome) -> None:
        """Says how the job ended."""
        self._print(outcome.job, f"{verdict(outcome)} ({seconds(outcome.seconds)})")

    def _print(self, job: Job, text: str) -> None:
        number = self._numbers[job.name]
        self._console.print(f"[{number}/{self._total}] {job.name} {text}", markup=False, highlight=False)


class LiveTable:
    """A table of all jobs with status and seconds, and the time left where the jobs say what to expect.

    Args:
        jobs: all of them.
        parallel: how many run at a time.
        total: number of jobs, where more come than are known.
    """

    def __init__(self, jobs: Sequence[Job], parallel: int = 1, total: int | None = None) -> None:
        self._jobs, self._parallel, self._outcomes = list(jobs), parallel, dict[str, Outcome]()
        self._total = len(jobs) if total is None else total
        self._since, self._lines = dict[str, float](), dict[str, str]()

    def started(self, job: Job) -> None:
        """Marks the job as running."""
        if job.name not in {known.name for known in self._jobs}:
            self._jobs.append(job)
        self._since[job.name], self._lines[job.name] = time.monotonic(), ""

    def elsewhere(self, job: Job) -> None:
        """Says that another launcher runs the job."""
        self._lines[job.name] = "another launcher runs it"

    def running(self, job: Job, seconds: float, line: str) -> None:
        """Shows the last line as the status."""
        self._lines[job.name] = line

    def ended(self, outcome: Outcome) -> None:
        """Marks the job as ended."""
        self._outcomes[outcome.job.name] = outcome
        del self._since[outcome.job.name]

    def __rich__(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, expand=True)
        table.add_column("run", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("status", ratio=1, no_wrap=True, overflow="ellipsis")
        ended = [job for job in self._jobs if job.name in self._outcomes]
        hidden = {job.name for job in ended[: max(0, len(self._jobs) - _ROWS)]}
        for job in (job for job in self._jobs if job.name not in hidden):
            table.add_row(escape(job.name), *self._cells(job))
        elapsed = {name: time.monotonic() - since for name, since in self._since.items()}
        left = time_left(self._jobs, list(self._outcomes.values()), elapsed, self._parallel)
        note = "" if left is None else f" about {seconds(left)} left"
        return Group(table, Text(f" {len(self._outcomes)} of {self._total} runs done,{note}".rstrip(","), "dim"))

    def _cells(self, job: Job) -> tuple[str, RenderableType]:
        if outcome := self._outcomes.get(job.name):
            style = "red" if outcome.code else "green"
            return f"{outcome.seconds:.0f}", Text(verdict(outcome), style)
        if job.name in self._since:
            status = Text(self._lines[job.name] or "starting", no_wrap=True, overflow="ellipsis")
            return f"{time.monotonic() - self._since[job.name]:.0f}", Spinner("dots", status)
        return "", Text(self._lines.get(job.name, "waiting"), "dim")


def verdict(outcome: Outcome) -> str:
    """How a job ended, in a few words, and the last ones of a job that failed."""
    if outcome.stopped:
        return "ended early"
    if outcome.code:
        last = next((line.strip() for line in reversed(outcome.tail) if line.strip()), "")
        why = f": {last.removeprefix('error: ')}" if last else ""
        return f"{ending(outcome.code)}{why} [see {outcome.job.log}]"
    return "kept: already complete" if outcome.kept else "done"


def time_left(
    jobs: Sequence[Job], outcomes: Sequence[Outcome], elapsed: Mapping[str, float], parallel: int = 1
) -> float | None:
    """Seconds until all jobs are done: what was expected of them, scaled by how the finished ones went.

    Args:
        jobs: all.
        outcomes: of those that have ended.
        elapsed: seconds so far of those that run, by name.
        parallel: how many run at a time.

    Returns:
        None when a job that has not ended does not say what to expect.
    """
    ended = {outcome.job.name for outcome in outcomes}
    rest = [job for job in jobs if job.name not in ended]
    if not rest or any(job.expected is None for job in rest):
        return None
    ran = [o for o in outcomes if o.code == 0 and not o.kept and o.job.expected]
    pace = sum(o.seconds for o in ran) / sum(o.job.expected or 0.0 for o in ran) if ran else 1.0
    return sum(max(0.0, pace * (job.expected or 0.0) - elapsed.get(job.name, 0.0)) for job in rest) / parallel

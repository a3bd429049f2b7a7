"""Watchers of a launch: a live table on a terminal, one line as each job starts and ends elsewhere.

Relations: shows what ``launch`` tells.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rec_lightning.studies.formats import ending, seconds
from rec_lightning.studies.launch import Job, Outcome, Watcher


@contextmanager
def watching(jobs: Sequence[Job], console: Console) -> Iterator[Watcher]:
    """The watcher that suits the console."""
    if not console.is_terminal:
        yield Lines(len(jobs), console)
        return
    table = LiveTable(jobs)
    with Live(table, console=console, refresh_per_second=4):
        yield table


class Lines:
    """One line as each job starts and ends, for logs.

    Args:
        total: number of jobs.
        console: where to write.
    """

    def __init__(self, total: int, console: Console) -> None:
        self._total, self._console, self._number = total, console, 0

    def started(self, job: Job) -> None:
        """Says which job starts."""
        self._number += 1
        self._console.print(f"[{self._number}/{self._total}] {job.name} ...", markup=False, highlight=False)

    def running(self, job: Job, seconds: float, line: str) -> None:
        """Says nothing: a log wants no news between the start and the end."""

    def ended(self, outcome: Outcome) -> None:
        """Says how the job ended."""
        text = f"[{self._number}/{self._total}] {outcome.job.name} {verdict(outcome)} ({seconds(outcome.seconds)})"
        self._console.print(text, markup=False, highlight=False)


class LiveTable:
    """A table of all jobs with status and seconds, and the time left where the jobs say what to expect."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs, self._outcomes = jobs, dict[str, Outcome]()
        self._now: Job | None = None
        self._since, self._line = 0.0, ""

    def started(self, job: Job) -> None:
        """Marks the job as running."""
        self._now, self._since, self._line = job, time.monotonic(), ""

    def running(self, job: Job, seconds: float, line: str) -> None:
        """Shows the last line as the status."""
        self._line = line

    def ended(self, outcome: Outcome) -> None:
        """Marks the job as ended."""
        self._outcomes[outcome.job.name] = outcome
        self._now = None

    def __rich__(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, expand=True)
        table.add_column("row", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("status", ratio=1, no_wrap=True, overflow="ellipsis")
        for job in self._jobs:
            table.add_row(escape(job.name), *self._cells(job))
        elapsed = time.monotonic() - self._since if self._now else 0.0
        left = time_left(self._jobs, list(self._outcomes.values()), elapsed)
        note = "" if left is None else f" about {seconds(left)} left"
        return Group(table, Text(f" {len(self._outcomes)} of {len(self._jobs)} rows done,{note}".rstrip(","), "dim"))

    def _cells(self, job: Job) -> tuple[str, RenderableType]:
        if outcome := self._outcomes.get(job.name):
            style = "red" if outcome.code else "green"
            return f"{outcome.seconds:.0f}", Text(verdict(outcome), style)
        if job is self._now:
            status = Text(self._line or "starting", no_wrap=True, overflow="ellipsis")
            return f"{time.monotonic() - self._since:.0f}", Spinner("dots", status)
        return "", Text("waiting", "dim")


def verdict(outcome: Outcome) -> str:
    """How a job ended, in a few words."""
    if outcome.code:
        return f"{ending(outcome.code)}, see {outcome.job.log}"
    return "kept: already complete" if outcome.kept else "done"


def time_left(jobs: Sequence[Job], outcomes: Sequence[Outcome], elapsed: float) -> float | None:
    """Seconds until all jobs are done: what was expected of them, scaled by how the finished ones went.

    Args:
        jobs: all, in order.
        outcomes: of the first of them.
        elapsed: seconds of the running one so far.

    Returns:
        None when a job that is still to come does not say what to expect.
    """
    rest = [job.expected for job in jobs[len(outcomes) :]]
    known = [expected for expected in rest if expected is not None]
    if not rest or len(known) < len(rest):
        return None
    ran = [o for o in outcomes if o.code == 0 and not o.kept and o.job.expected]
    pace = sum(o.seconds for o in ran) / sum(o.job.expected or 0.0 for o in ran) if ran else 1.0
    return pace * sum(known[1:]) + max(0.0, pace * known[0] - elapsed)

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from rec_lightning.studies.job import Job, Outcome
from rec_lightning.studies.progress import LiveTable, time_left, verdict, watching


def job(name: str, expected: float | None) -> Job:
    return Job(name, (), name, Path(f"{name}.log"), Path(f"{name}.json"), expected)


JOBS = [job("a", 10), job("b", 20), job("c [bold]", 30)]


def done(number: int, seconds: float, code: int = 0, kept: bool = False) -> Outcome:
    return Outcome(JOBS[number], code, seconds, kept, ())


@pytest.mark.parametrize(
    ("outcomes", "elapsed", "left"),
    [
        ([], [], 60),
        ([done(0, 20)], [], 100),  # half the expected speed
        ([done(0, 20)], [30], 70),
        ([done(0, 20)], [99], 60),  # the running one is late
        ([done(0, 0.1, kept=True)], [], 50),  # says nothing about the speed
        ([done(0, 1, code=2)], [], 50),
        ([done(0, 1), done(1, 1), done(2, 1)], [], None),
    ],
)
def test_time_left(outcomes: list[Outcome], elapsed: list[float], left: float | None) -> None:
    running = {job.name: seconds for job, seconds in zip(JOBS[len(outcomes) :], elapsed, strict=False)}
    assert time_left(JOBS, outcomes, running) == (None if left is None else pytest.approx(left))


def test_time_left_is_not_guessed() -> None:
    assert time_left([*JOBS, job("d", None)], [], {}) is None


def test_lines_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=100)
    with watching(JOBS, console) as watcher:
        for number, outcome in enumerate([done(0, 75.2), done(1, 1.5, code=2), done(2, 0.5, kept=True)]):
            watcher.started(JOBS[number])
            watcher.running(JOBS[number], 0.1, "epoch 1")
            watcher.ended(outcome)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "[1/3] a ...",
        "[1/3] a done (1 min 15 s)",
        "[2/3] b ...",
        "[2/3] b failed with exit code 2 [see b.log] (1.5 s)",
        "[3/3] c [bold] ...",
        "[3/3] c [bold] kept: already complete (0.5 s)",
    ]


def test_a_failure_says_why() -> None:
    outcome = Outcome(JOBS[1], 2, 1.0, False, ("reading", "error: k must be at least 1, got 0. Set k.", ""))
    assert verdict(outcome) == "failed with exit code 2: k must be at least 1, got 0. Set k. [see b.log]"


def test_live_table() -> None:
    table = LiveTable(JOBS)
    table.started(JOBS[0])
    table.ended(done(0, 10))
    table.started(JOBS[1])
    table.running(JOBS[1], 3.0, "epoch 2: loss [0.5]")
    console = Console(file=io.StringIO(), width=90, force_terminal=True)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("done", "epoch 2: loss [0.5]", "c [bold]", "waiting", "1 of 3 runs done, about 50.0 s left"):
        assert part in text
    table.ended(done(1, 3, code=2))
    assert table  # the terminal's own watcher is this table
    with watching(JOBS, console) as watcher:
        assert isinstance(watcher, LiveTable)

"""Runs the jobs of a study with what is told about them: the plan before, the progress, and what has to run again.

Relations: ``conduct`` says what; ``launch`` runs it, ``forecast`` and ``progress`` tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from rec_lightning.studies.forecast import forecast, informed
from rec_lightning.studies.job import Job, Outcome, Place
from rec_lightning.studies.launch import drive, launch
from rec_lightning.studies.plan import run_folder
from rec_lightning.studies.progress import watching
from rec_lightning.studies.store import stale
from rec_lightning.studies.study import RowSpec
from rec_lightning.studies.supply import Together

if TYPE_CHECKING:
    from rec_lightning.studies.search import Search


@dataclass(frozen=True)
class Runner:
    """How the jobs of one study run.

    Args:
        console: for plan and progress.
        folder: of the study.
        parallel: number of processes at a time.
        place: where they run; this machine by default.
    """

    console: Console
    folder: Path
    parallel: int = 1
    place: Place | None = None

    def plan(self, jobs: Sequence[Job], tries: Sequence[Job] = ()) -> None:
        """Says what is to come.

        Args:
            jobs: of the rows.
            tries: of the searches before them that are still to run.
        """
        told = forecast(informed(jobs), self.parallel, informed(tries))
        self.console.print(told, markup=False, highlight=False)

    def run(self, runs: Sequence[tuple[RowSpec, int]], jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Runs what is missing, and again what was kept although the data have changed since.

        Args:
            runs: rows and seeds.
            jobs: theirs, in order.
        """
        jobs = informed(jobs)
        outcomes = self._launch(jobs)
        again = self._stale_jobs(runs, outcomes)
        if not again:
            return outcomes
        names = ", ".join(job.name for job in again)
        self.console.print(f"The data have changed since these runs, which run again: {names}", markup=False)
        newer = {outcome.job.log: outcome for outcome in self._launch(again)}
        return [newer.get(outcome.job.log, outcome) for outcome in outcomes]

    def search(self, searches: Sequence[Search]) -> None:
        """Runs all tries that are missing."""
        if not searches:
            return
        tries = sum(one.sweep.budget for one in searches)
        with watching([], self.console, self.parallel, tries) as watcher:
            drive(Together(searches), watcher, parallel=self.parallel, place=self.place)

    def _launch(self, jobs: Sequence[Job]) -> list[Outcome]:
        with watching(jobs, self.console, self.parallel) as watcher:
            return launch(jobs, watcher, parallel=self.parallel, place=self.place)

    def _stale_jobs(self, runs: Sequence[tuple[RowSpec, int]], outcomes: Sequence[Outcome]) -> list[Job]:
        well = [
            (outcome, (run_folder(self.folder, row, seed), seed))
            for (row, seed), outcome in zip(runs, outcomes, strict=True)
            if outcome.code == 0
        ]
        old = set(stale((run for o, run in well if o.kept), (run for o, run in well if not o.kept)))
        return [outcome.job for outcome, (place, _) in well if place in old]

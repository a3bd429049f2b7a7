"""A whole study in its folder: run what is missing, read what is there, compare and publish.

Relations: ``plan`` makes the jobs; then ``launch``, ``rows``, ``comparison`` and ``publish`` in this order. Front
doors call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from rich.console import Console

from rec_lightning.studies.calibration import calibrations
from rec_lightning.studies.forecast import facts
from rec_lightning.studies.inner import chosen, with_tries
from rec_lightning.studies.job import Job, Outcome, Place
from rec_lightning.studies.plan import run_folder
from rec_lightning.studies.runner import Runner
from rec_lightning.studies.search import Search
from rec_lightning.studies.selection import selected
from rec_lightning.studies.store import open_store
from rec_lightning.studies.study import MADE, RowSpec, Study

if TYPE_CHECKING:
    from rec_lightning.studies.entries import Comparison, Failure, Finished


# a study -> one job a row and seed, in order
MakeJobs = Callable[[Study], Sequence[Job]]

_LEAST_SPACE = 1 << 16  # bytes; what fills up later fails its run with the system's own words


def prepare(folder: Path) -> None:
    """Makes the folder of a study.

    Raises:
        ValueError: it cannot be made or written, the disk is full, or it has another version's layout.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_LEAST_SPACE))
            probe.flush()
        open_store(folder)
    except OSError as error:
        raise ValueError(
            f"the study's folder must be writable, got {folder}: {error.strerror}. Set run_dir=PATH."
        ) from error


def conduct(
    study: Study,
    make_jobs: MakeJobs,
    folder: Path,
    console: Console,
    overrides: Sequence[str] = (),
    parallel: int = 1,
    place: Place | None = None,
    calibrate: bool = False,
) -> Comparison:
    """Runs what is missing and shows the outcome. A run that fails does not stop the others.

    Args:
        study: question and rows.
        make_jobs: one a row and seed, in order.
        folder: of the study, prepared; each row's runs and logs lie in it.
        console: for the progress, the table and the report's path.
        overrides: given beside the study, for the record.
        parallel: number of processes at a time.
        place: where they run; this machine by default.
        calibrate: whether a short run of each row comes first, for the plan's time and memory.

    Returns:
        The outcome, with what failed.

    Raises:
        KeyboardInterrupt: when stopped; no process of it is left.
    """
    runner = Runner(console, folder, parallel, place)
    searches = _searches(study, make_jobs, folder)
    if calibrate:
        known = frozenset(row.slug for row in study.rows if facts(folder / row.slug))
        if short := calibrations(study, known):
            runner.run(short.runs, make_jobs(short))
    runner.plan(make_jobs(study), _tries(study, make_jobs, searches))
    if any(row.tune for row in study.rows):
        tried = with_tries(study)
        runner.run(tried.runs, make_jobs(tried))
    runner.search(searches)
    study = _chosen(study, searches, folder)
    outcomes = _run_hopeful(study, make_jobs, runner)
    return show(study, outcomes, folder, console, overrides)


def _tries(study: Study, make_jobs: MakeJobs, searches: Sequence[Search]) -> list[Job]:
    """A job for each try that is still to run; those of a search only in their number."""
    jobs = make_jobs(with_tries(study)) if any(row.tune for row in study.rows) else []
    listed = [job for job in jobs if not job.proof.is_file()]
    return [*listed, *(job for search in searches for job in search.outstanding)]


def _searches(study: Study, make_jobs: MakeJobs, folder: Path) -> list[Search]:
    def make_job(row: RowSpec) -> Job:
        return make_jobs(replace(study, rows=(row,), reference=None))[0]

    return [Search(row, study.primary, folder, make_job) for row in study.rows if row.sweep]


def _chosen(study: Study, searches: Sequence[Search], folder: Path) -> Study:
    study = chosen(study, lambda row: run_folder(folder, row, row.seeds[0]))
    found = {search.row.name: selected(search) for search in searches}
    return replace(study, rows=tuple(found.get(row.name, row) for row in study.rows))


def _run_hopeful(study: Study, make_jobs: MakeJobs, runner: Runner) -> list[Outcome]:
    """All rows that can run, those that are made of others after these; the rest end with the reason why not."""
    jobs = {(row.name, seed): job for (row, seed), job in zip(study.runs, make_jobs(study), strict=True)}
    ended: dict[tuple[str, int], Outcome] = {}
    for made in (False, True):
        runs = [(row, seed) for row, seed in study.runs if bool(row.of) == made]
        why = {(row.name, seed): _hopeless(study, row, seed, ended) for row, seed in runs}
        ended |= {name: Outcome(jobs[name], 1, 0.0, False, (text,)) for name, text in why.items() if text}
        hopeful = [(row, seed) for row, seed in runs if not why[row.name, seed]]
        outcomes = runner.run(hopeful, [jobs[row.name, seed] for row, seed in hopeful]) if hopeful else []
        ended |= {(row.name, seed): outcome for (row, seed), outcome in zip(hopeful, outcomes, strict=True)}
    return [ended[row.name, seed] for row, seed in study.runs]


def _hopeless(study: Study, row: RowSpec, seed: int, ended: Mapping[tuple[str, int], Outcome]) -> str:
    """Why a run cannot be; empty where it can."""
    failed = [f"{one.name} (seed {its})" for one, its in study.sources(row, seed) if ended[one.name, its].code]
    return f"it {MADE[row.verb]} {', '.join(failed)}, which failed" if failed else row.hopeless


def show(
    study: Study, outcomes: Sequence[Outcome], folder: Path, console: Console, overrides: Sequence[str] = ()
) -> Comparison:
    """Reads the runs, prints the table, writes the files, and names the report last.

    Args:
        study: question and rows.
        outcomes: one a row and seed, in order.
        folder: of the study.
        console: where to print.
        overrides: given beside the study, for the record.
    """
    # heavy imports wait until here: a launcher's memory would count as the peak of the processes it starts
    from rec_lightning.studies.comparison import compare
    from rec_lightning.studies.publish import publish
    from rec_lightning.studies.table import result_table

    told = [(run, outcome) for run, outcome in zip(study.runs, outcomes, strict=True) if run[0].shown]
    entries = [_entry(study, *run, outcome, folder) for run, outcome in told]
    comparison = compare(study, entries, overrides)
    console.print(result_table(comparison))
    report = publish(comparison, folder)
    console.print()
    console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
    return comparison


def rebuild(
    study: Study,
    make_jobs: MakeJobs,
    folder: Path,
    console: Console,
    overrides: Sequence[str] = (),
) -> Comparison:
    """The same outcome from the runs that are there; nothing is started, a run that is missing is told as such.

    Args:
        study: question and rows.
        make_jobs: one a row and seed, in order; they name the commands.
        folder: of the study.
        console: where to print.
        overrides: given beside the study, for the record.
    """
    study = _chosen(study, _searches(study, make_jobs, folder), folder)
    outcomes = [
        Outcome(job, 1 if row.hopeless else 0, 0.0, True, (row.hopeless,))
        for (row, _), job in zip(study.runs, make_jobs(study), strict=True)
    ]
    return show(study, outcomes, folder, console, overrides)


def _entry(study: Study, spec: RowSpec, seed: int, outcome: Outcome, folder: Path) -> Finished | Failure:
    from rec_lightning.studies.entries import Failure, Finished, Run
    from rec_lightning.studies.rows import read_row

    line = outcome.job.printed
    if outcome.code:
        return Failure(spec, seed, line, outcome.code, outcome.tail)
    try:
        row = read_row(run_folder(folder, spec, seed), study.metrics, study.also)
    except ValueError as error:
        return Failure(spec, seed, line, None, (str(error),))
    return Finished(spec, Run(seed, line, row, outcome.kept))

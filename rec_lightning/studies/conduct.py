"""A whole study in its folder: run what is missing, read what is there, compare and publish.

Relations: ``plan`` makes the jobs; then ``launch``, ``rows``, ``comparison`` and ``publish`` in this order. Front
doors call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from rich.console import Console

from rec_lightning.studies.launch import Job, Outcome, launch
from rec_lightning.studies.plan import run_folder
from rec_lightning.studies.progress import watching
from rec_lightning.studies.study import RowSpec, Study

if TYPE_CHECKING:
    from rec_lightning.studies.comparison import Comparison, Failure, Finished


def prepare(folder: Path) -> None:
    """Makes the folder of a study.

    Raises:
        ValueError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"the study's folder must be writable, got {folder}: {error.strerror}. Set run_dir=PATH."
        ) from error


def conduct(
    study: Study,
    jobs: Sequence[Job],
    folder: Path,
    console: Console,
    overrides: Sequence[str] = (),
    parallel: int = 1,
) -> Comparison:
    """Runs what is missing and shows the outcome. A run that fails does not stop the others.

    Args:
        study: question and rows.
        jobs: one a row and seed, in order.
        folder: of the study, prepared; each row's runs and logs lie in it.
        console: for the progress, the table and the report's path.
        overrides: given beside the study, for the record.
        parallel: number of processes at a time.

    Returns:
        The outcome, with what failed.

    Raises:
        KeyboardInterrupt: when stopped; no process of it is left.
    """
    with watching(jobs, console, parallel) as watcher:
        outcomes = launch(jobs, watcher, parallel=parallel)
    return show(study, outcomes, folder, console, overrides)


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

    planned = [(row, seed) for row in study.rows for seed in row.seeds]
    entries = [_entry(study, *run, outcome, folder) for run, outcome in zip(planned, outcomes, strict=True)]
    comparison = compare(study, entries, overrides)
    console.print(result_table(comparison))
    report = publish(comparison, folder)
    console.print()
    console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
    return comparison


def _entry(study: Study, spec: RowSpec, seed: int, outcome: Outcome, folder: Path) -> Finished | Failure:
    from rec_lightning.studies.comparison import Failure, Finished, Run
    from rec_lightning.studies.rows import read_row

    line = outcome.job.printed
    if outcome.code:
        return Failure(spec, seed, line, outcome.code, outcome.tail)
    try:
        row = read_row(run_folder(folder, spec, seed), study.metrics)
    except ValueError as error:
        return Failure(spec, seed, line, None, (str(error),))
    return Finished(spec, Run(seed, line, row, outcome.kept))

"""A whole study in its folder: run what is missing, read what is there, compare and publish.

Relations: ``plan`` makes the jobs; then ``launch``, ``rows``, ``comparison`` and ``publish`` in this order. Front
doors call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from rich.console import Console

from rec_lightning.studies.launch import Job, Outcome, launch
from rec_lightning.studies.progress import watching
from rec_lightning.studies.study import Study


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


def conduct(study: Study, jobs: Sequence[Job], folder: Path, console: Console, overrides: Sequence[str] = ()) -> int:
    """Runs the rows one after another and shows the outcome. A row that fails does not stop the others.

    Args:
        study: question and rows.
        jobs: one a row, in order.
        folder: of the study, prepared; each row's run and log lie in it.
        console: for the progress, the table and the report's path.
        overrides: given beside the study, for the record.

    Returns:
        0 when every row has a result, else 1.

    Raises:
        KeyboardInterrupt: when stopped; no process of it is left.
    """
    with watching(jobs, console) as watcher:
        outcomes = launch(jobs, watcher)
    return show(study, outcomes, folder, console, overrides)


def show(
    study: Study, outcomes: Sequence[Outcome], folder: Path, console: Console, overrides: Sequence[str] = ()
) -> int:
    """Reads the rows, prints the table, writes the files, and names the report last.

    Args:
        study: question and rows.
        outcomes: one a row, in order.
        folder: of the study.
        console: where to print.
        overrides: given beside the study, for the record.

    Returns:
        0 when every row has a result, else 1.
    """
    # heavy imports wait until here: a launcher's memory would count as the peak of the processes it starts
    from rec_lightning.studies.comparison import Failure, Finished, compare
    from rec_lightning.studies.publish import publish
    from rec_lightning.studies.rows import read_row
    from rec_lightning.studies.table import result_table

    entries: list[Finished | Failure] = []
    for spec, outcome in zip(study.rows, outcomes, strict=True):
        line = outcome.job.printed
        if outcome.code:
            entries.append(Failure(spec, line, outcome.code, outcome.tail))
            continue
        try:
            entries.append(Finished(spec, line, read_row(folder / spec.slug, study.metrics), outcome.kept))
        except ValueError as error:
            entries.append(Failure(spec, line, None, (str(error),)))
    comparison = compare(study, entries, overrides)
    console.print(result_table(comparison))
    report = publish(comparison, folder)
    console.print()
    console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
    return 1 if comparison.failures else 0

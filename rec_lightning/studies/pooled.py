"""The folds of a row as one result: every example, or of a ranking every user, is tested in one of them.

So means, intervals and tests are those of all of them together, and not of a mean of few numbers. What a run logged is
shown as the mean over the folds; time is their sum.

Relations: ``folds`` made the rows; ``comparison`` asks for this first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import polars as pl

from rec_lightning.studies.entries import Failure, Finished, Run
from rec_lightning.studies.manifest import Manifest
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.rows import EXAMPLE, Row, ranked_row
from rec_lightning.studies.scored import Scores, read_scores
from rec_lightning.studies.study import RowSpec, Study


def joined(study: Study, entries: Sequence[Finished | Failure]) -> tuple[Study, list[Finished | Failure]]:
    """The study of the whole rows, and their runs: those of one seed together; itself for a study without folds.

    Args:
        study: with a row a fold.
        entries: the runs, in any order.
    """
    if not any(row.fold_of for row in study.rows):
        return study, list(entries)
    whole = {row.fold_of: replace(row, name=row.fold_of, fold_of="") for row in reversed(study.rows)}
    specs = tuple(whole[name] for name in dict.fromkeys(row.fold_of for row in study.rows))
    found: list[Finished | Failure] = []
    for spec in specs:
        for seed in spec.seeds:
            found += _one_seed(spec, seed, [entry for entry in entries if _is_of(entry, spec, seed)])
    return replace(study, rows=specs), found


def _is_of(entry: Finished | Failure, spec: RowSpec, seed: int) -> bool:
    own = entry.run.seed if isinstance(entry, Finished) else entry.seed
    return entry.spec.fold_of == spec.name and own == seed


def _one_seed(spec: RowSpec, seed: int, folds: Sequence[Finished | Failure]) -> list[Finished | Failure]:
    runs = [fold.run for fold in folds if isinstance(fold, Finished)]
    command = "\n".join(fold.run.command if isinstance(fold, Finished) else fold.command for fold in folds)
    if len(runs) < len(folds):
        return [replace(fold, spec=spec) for fold in folds if isinstance(fold, Failure)]
    try:
        row = _joined_rows([run.row for run in runs])
    except ValueError as error:
        return [Failure(spec, seed, command, None, (str(error),))]
    return [Finished(spec, Run(seed, command, row, all(run.kept for run in runs)))]


def _joined_rows(rows: Sequence[Row]) -> Row:
    first = rows[0]
    metrics = {key: fmean(row.metrics[key] for row in rows) for key in first.metrics}
    manifest = _manifest([row.manifest for row in rows])
    users = pl.concat([row.users for row in rows])
    targets = pl.concat([row.targets for row in rows])
    if isinstance(first.result, Ranks):
        _once(users, "user")
        ranks = pl.concat([pl.Series("rank", row.result.rank) for row in rows if isinstance(row.result, Ranks)])
        return ranked_row(first.folder, targets.struct.unnest().with_columns(ranks), metrics, manifest, None)
    predicted = pl.concat([pl.Series("prediction", row.result.value) for row in rows if isinstance(row.result, Scores)])
    table = targets.struct.unnest().with_columns(predicted).sort("event", maintain_order=True)
    # drawn items lie beside an event, which is still tested once
    _once(pl.concat([row.targets.struct.field("event").unique() for row in rows]), "event")
    examples = table.select(*EXAMPLE).to_struct("example")
    return Row(first.folder, users.unique().sort(), examples, read_scores(table), metrics, manifest, None)


def _once(column: pl.Series, what: str) -> None:
    twice = len(column) - column.n_unique()
    if twice:
        raise ValueError(f"folds must test each {what} once, and {twice:,} are tested twice. Change folds.")


def _manifest(folds: Sequence[Manifest]) -> Manifest:
    # what all of them together took
    wall, cpu = sum(fold.wall for fold in folds), sum(fold.cpu for fold in folds)
    peak = max(fold.peak_memory_mb for fold in folds)
    raw = {**folds[0].raw, "seconds": {**folds[0].raw["seconds"], "wall": wall, "cpu": cpu}, "peak_memory_mb": peak}
    return replace(folds[0], wall=wall, cpu=cpu, peak_memory_mb=peak, raw=raw)

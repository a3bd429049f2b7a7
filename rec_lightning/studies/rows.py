"""One finished run as a row: who was tested, with which result, and what it took.

Everything is checked while it is read, so that a table never shows numbers that contradict each other.

Relations: reads what the front doors ``train`` and ``baseline`` leave in a folder; ``comparison`` joins rows by user.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.studies.aims import is_ranked, objective_of
from rec_lightning.studies.manifest import Manifest, read_json, read_manifest
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.scored import Scores, read_scores

# U users, T targets, M examples

EXAMPLE = ("event", "user", "item", "label")
_TOLERANCE = 1e-4  # the run averages in float32


@dataclass(frozen=True)
class Row:
    """A finished run.

    Args:
        folder: of the run.
        users: (U,) who was tested, sorted, each once.
        targets: (T,) users and the items they were tested on; where labels were scored (M,) the examples with their
            labels.
        result: exact ranks of the targets, or what was predicted for the examples.
        metrics: as the run logged them, by key as ``test/ndcg@10``.
        manifest: what the run says about itself.
        history: columns ``epoch, key, value``, from ``history.csv`` or what ``logger=csv`` wrote; None when the run
            left none.
    """

    folder: Path
    users: pl.Series
    targets: pl.Series
    result: Ranks | Scores
    metrics: Mapping[str, float]
    manifest: Manifest
    history: pl.DataFrame | None

    def by_user(self, metric: str) -> NDArray[np.float64]:
        """(U,) values whose mean is the metric and whose spread over users is that of its linear part."""
        return self.result.by_user(metric)


def read_row(folder: Path, metrics: Sequence[str], also: Sequence[str] = ()) -> Row:
    """Reads a run's folder.

    Args:
        folder: of a complete run.
        metrics: as ``ndcg@10`` or ``auc``; each must be logged as ``test/...`` and agree with the rankings or
            predictions.
        also: metrics that must be logged; nothing else is known of them.

    Raises:
        ValueError: a file that is missing or not as it should be, a logged metric that its results contradict, or
            a metric of rankings where labels were scored, and the other way round.
    """
    manifest = read_manifest(folder / "manifest.json")
    logged = {key: float(value) for key, value in read_json(folder / "metrics.json").items() if value is not None}
    for metric in also:
        _logs(folder, f"test/{metric}", logged)
    objective = objective_of(metrics)
    ranked = objective and all(is_ranked(metric) for metric in metrics)
    if (folder / "predictions.parquet").is_file() and not ranked:
        return _scored(folder, metrics, logged, manifest)
    row = ranked_row(folder, _rankings(folder / "rankings.parquet"), logged, manifest, _history(folder))
    for metric in metrics:
        _agree(folder, metric, logged, float(row.by_user(metric).mean()), "rankings.parquet")
    return row


def ranked_row(
    folder: Path, table: pl.DataFrame, logged: Mapping[str, float], manifest: Manifest, history: pl.DataFrame | None
) -> Row:
    """Of a table of ``user, target, rank``, in any order."""
    table = table.sort("user", "target", "rank")
    targets = table.select("user", "target").to_struct("target")
    ranks = Ranks.of(table["user"], table["rank"])
    return Row(folder, table["user"].unique().sort(), targets, ranks, logged, manifest, history)


def _scored(folder: Path, metrics: Sequence[str], logged: Mapping[str, float], manifest: Manifest) -> Row:
    if wrong := [metric for metric in metrics if is_ranked(metric)]:
        raise ValueError(f"{folder}: {wrong[0]} needs a run that ranks, and it scored labels. Leave it out.")
    path = folder / "predictions.parquet"
    try:
        objective = objective_of(metrics)
        table = pl.read_parquet(path, columns=[*EXAMPLE, "prediction", *(["task"] if objective else [])])
        table = table.filter(task=objective).drop("task") if objective else table
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: must hold {', '.join(EXAMPLE)} and prediction, got: {error}.") from error
    if table["user"].n_unique() < 2 or table.null_count().pipe(pl.DataFrame.sum_horizontal).item():
        raise ValueError(f"{path}: must hold examples of two users at least, and no nulls. Run it again.")
    scores = read_scores(table)
    for metric in metrics:
        _agree(folder, metric, logged, scores.metric(metric), path.name)
    users = table["user"].unique().sort()
    examples = table.select(*EXAMPLE).to_struct("example")
    return Row(folder, users, examples, scores, logged, manifest, _history(folder))


def _rankings(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise ValueError(f"{path.parent}: a complete run holds {path.name}, got none. Run it again.")
    try:
        table = pl.read_parquet(path, columns=["user", "target", "rank"])
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: must hold user, target and rank, got: {error}. Run it again.") from error
    if table.is_empty() or table["user"].null_count():
        raise ValueError(f"{path}: must hold a user in each row and at least one, got {table.height} rows.")
    wrong = table["rank"].filter(~(table["rank"] >= 1).fill_null(False))
    if not table["rank"].dtype.is_integer() or len(wrong):
        raise ValueError(f"{path}: ranks must be whole numbers from 1, got {wrong[:5].to_list()}. Run it again.")
    return table


def _agree(folder: Path, metric: str, logged: Mapping[str, float], exact: float, file: str) -> None:
    _logs(folder, key := f"test/{metric}", logged)
    if not math.isclose(logged[key], exact, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise ValueError(
            f"{folder}: {key} must be equal in metrics.json and {file}, "
            f"got {logged[key]:.6f} and {exact:.6f}. Delete the folder and run it again."
        )


def _logs(folder: Path, key: str, logged: Mapping[str, float]) -> None:
    if key not in logged:
        raise ValueError(f"{folder}/metrics.json: must hold {key}, got {sorted(logged)}. Let the run log it.")


def _history(folder: Path) -> pl.DataFrame | None:
    path = folder / "history.csv"
    if not path.is_file():
        return _logged(folder / "csv" / "metrics.csv")
    schema = {"epoch": pl.Int64, "key": pl.String, "value": pl.Float64}
    try:
        return pl.read_csv(path, schema_overrides=schema).select(*schema)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: must have the columns {', '.join(schema)}, got: {error}.") from error


def _logged(path: Path) -> pl.DataFrame | None:
    """What ``logger=csv`` wrote, one line a step and a column a key, as a history of what was validated."""
    if not path.is_file():
        return None
    table = pl.read_csv(path, infer_schema_length=None)
    keys = [key for key in table.columns if key.startswith("val/")]
    if "epoch" not in table.columns or not keys:
        return None
    long = table.select("epoch", *keys).cast(pl.Float64).unpivot(keys, index="epoch", variable_name="key")
    return long.drop_nulls("value").select(pl.col("epoch").cast(pl.Int64), "key", "value")

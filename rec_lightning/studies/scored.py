"""Runs of scoring side by side: each metric with its interval, and the paired difference to a reference row.

Users are drawn with replacement (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993): the examples of a
user belong together, and an AUC is no mean over anything, so the metric is computed anew for each draw, with every
example counted as often as its user was drawn. All rows see the same draws, and the p value is twice the smaller share
of differences on either side of 0, corrected after Holm.

Relations: ``comparison`` does this for rankings, where a metric is a mean over users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.significance import holm

# M examples, U users, R draws

LEVEL = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """What a row got.

    Args:
        value: of the metric, with its interval.
        difference: to the reference; None for the reference itself.
        p: two-sided; None for the reference itself.
        holm: p after Holm over all rows.
    """

    value: Interval
    difference: Interval | None = None
    p: float | None = None
    holm: float | None = None


def compare_scored(
    runs: Mapping[str, Path], metric: str, reference: str, draws: int = 2000, seed: int = 0
) -> dict[str, Scored]:
    """Every row's metric on the test examples.

    Args:
        runs: name -> folder of a complete run of scoring; all on the same test examples.
        metric: ``auc``, ``log_loss``, ``rmse`` or ``mae``.
        reference: name of the row that the others are compared with.
        draws: R.
        seed: of the draws.

    Raises:
        ValueError: no such metric or row, a run without predictions, or runs on other test examples.
    """
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {', '.join(_METRICS)}, got {metric!r}. Set metric.")
    if reference not in runs:
        raise ValueError(f"reference must be one of {', '.join(runs)}, got {reference!r}. Set reference.")
    frames = {name: _read(folder) for name, folder in runs.items()}
    first = frames[reference]
    for name, frame in frames.items():
        if not frame.select("event", "user", "item", "label").equals(first.select("event", "user", "item", "label")):
            raise ValueError(
                f"runs must be tested on the same examples, and {name} was not tested on those of {reference}. "
                "Compare runs of the same data, split and label."
            )
    user = first["user"].rank("dense").to_numpy().astype(np.int64) - 1  # (M,)
    generator, users = np.random.default_rng(seed), int(user.max()) + 1
    # the first row is the sample itself
    times = np.vstack([np.ones(users, np.int64), generator.multinomial(users, np.full(users, 1 / users), draws)])
    label = first["label"].to_numpy().astype(np.float64)
    found = {
        name: _METRICS[metric](frame["prediction"].to_numpy().astype(np.float64), label, user, times)
        for name, frame in frames.items()
    }
    return _judged(found, reference)


def _read(folder: Path) -> pl.DataFrame:
    place = folder / "predictions.parquet"
    if not place.is_file():
        raise ValueError(
            f"a complete run of scoring holds {place.name}, and {folder} does not. Run task=scoring there."
        )
    frame = pl.read_parquet(place)
    if frame["prediction"].dtype == pl.List:
        raise ValueError(f"{folder} predicts classes, which have no interval yet. Compare their metrics.json.")
    return frame


def _judged(found: Mapping[str, Floats], reference: str) -> dict[str, Scored]:
    apart = {name: values - found[reference] for name, values in found.items() if name != reference}
    p = {name: _two_sided(change[1:]) for name, change in apart.items()}
    corrected = dict(zip(p, holm(list(p.values())), strict=True))
    return {
        name: Scored(_interval(values), _interval(apart[name]), p[name], corrected[name])
        if name in apart
        else Scored(_interval(values))
        for name, values in found.items()
    }


def _interval(values: Floats) -> Interval:
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))


def _two_sided(change: Floats) -> float:
    # one more on each side, so that no number of draws gives 0
    sides = [(np.sum(change <= 0) + 1) / (len(change) + 1), (np.sum(change >= 0) + 1) / (len(change) + 1)]
    return float(min(1.0, 2 * min(sides)))


def _mean(each: Floats, user: NDArray[np.int64], times: NDArray[np.int64]) -> Floats:
    # (M,) -> (R,): the mean over examples of each draw, from sums by user
    users = times.shape[1]
    sums, sizes = np.bincount(user, each, users), np.bincount(user, minlength=users)
    means: Floats = (times @ sums) / (times @ sizes)
    return means


def _auc(value: Floats, label: Floats, user: NDArray[np.int64], times: NDArray[np.int64]) -> Floats:
    order = np.argsort(value, kind="stable")
    value, positive, user = value[order], label[order] > 0.5, user[order]
    begin = np.flatnonzero(np.r_[True, value[1:] != value[:-1]])  # of each tie
    found = np.empty(len(times))
    for row, often in enumerate(times):
        weight = often[user].astype(np.float64)
        won, lost = (np.add.reduceat(weight * side, begin) for side in (positive, ~positive))
        below = np.cumsum(lost) - lost
        with np.errstate(invalid="ignore"):  # a draw of one class has none
            found[row] = (won * (below + lost / 2)).sum() / (won.sum() * lost.sum())
    return found


def _log_loss(value: Floats, label: Floats, user: NDArray[np.int64], times: NDArray[np.int64]) -> Floats:
    p = value.clip(1e-7, 1 - 1e-7)
    return _mean(-np.log(np.where(label > 0.5, p, 1 - p)), user, times)


def _rmse(value: Floats, label: Floats, user: NDArray[np.int64], times: NDArray[np.int64]) -> Floats:
    return np.sqrt(_mean((value - label) ** 2, user, times))


def _mae(value: Floats, label: Floats, user: NDArray[np.int64], times: NDArray[np.int64]) -> Floats:
    return _mean(np.abs(value - label), user, times)


_METRICS = {"auc": _auc, "log_loss": _log_loss, "rmse": _rmse, "mae": _mae}

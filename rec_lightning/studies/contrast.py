"""One row's mean with its interval, and two rows against each other: what suits rankings, labels, one seed or several.

With one run a row the users are resampled; metrics of labels that are no mean over users are tested by the same draws
(p: twice the smaller share of differences on either side of 0), all others by what the study names. With several seeds
users and seeds are crossed sources of variance.

Relations: ``intervals``, ``scored`` and ``crossed`` compute; ``comparison`` and ``pairs`` ask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.aims import direction
from rec_lightning.studies.crossed import crossed_difference, crossed_mean
from rec_lightning.studies.entries import LEVEL, Run
from rec_lightning.studies.intervals import Interval, bootstrap_mean, paired_difference
from rec_lightning.studies.study import Study
from rec_lightning.studies.testing import compare_pair

# S seeds, U users, R draws

BOOTSTRAP = "bootstrap over users"
Floats = NDArray[np.float64]


def user_values(metric: str, runs: Sequence[Run]) -> Floats:
    """(S, U) values of a metric, one row a run; the users are in one order."""
    return np.stack([run.row.by_user(metric) for run in runs])


def mean_of(study: Study, metric: str, runs: Sequence[Run]) -> Interval:
    """A row's mean over seeds and users.

    Args:
        study: says how to resample.
        metric: of the study.
        runs: of the row.
    """
    values = user_values(metric, runs)
    if len(runs) > 1:
        interval = crossed_mean(values, LEVEL)
        high = min(1.0, interval.high) if direction(metric) > 0 else interval.high  # no metric lies outside
        return Interval(interval.mean, max(0.0, interval.low), high)
    drawn = _drawn(study, metric, runs)
    if drawn is not None:
        return _around(float(values.mean()), drawn)
    return bootstrap_mean(values[0], study.resamples, LEVEL, study.seed)


def difference_of(study: Study, metric: str, runs: Sequence[Run], reference: Sequence[Run]) -> Interval:
    """A row's mean minus the reference's, the same users on both sides.

    Args:
        study: says how to resample.
        metric: of the study.
        runs: of the row.
        reference: of the other.
    """
    values, theirs = user_values(metric, runs), user_values(metric, reference)
    if len(runs) > 1 or len(reference) > 1:
        return crossed_difference(values, theirs, LEVEL)
    drawn, other = _drawn(study, metric, runs), _drawn(study, metric, reference)
    if drawn is not None and other is not None:
        return _around(float(values.mean() - theirs.mean()), drawn - other)
    return paired_difference(values[0], theirs[0], study.resamples, LEVEL, study.seed)


def p_of(study: Study, metric: str, runs: Sequence[Run], reference: Sequence[Run]) -> tuple[str, float]:
    """The test's name and its two-sided p.

    Args:
        study: names the test.
        metric: of the study.
        runs: of the row.
        reference: of the other.
    """
    values, theirs = user_values(metric, runs), user_values(metric, reference)
    if study.test == "sign_flips" and len(runs) == len(reference) == 1:
        mine, other = runs[0].row.result.flips(metric), reference[0].row.result.flips(metric)
        drawn, drawn_other = _drawn(study, metric, runs), _drawn(study, metric, reference)
        if mine is not None and other is not None:
            values, theirs = mine[None], other[None]
        elif drawn is not None and drawn_other is not None:
            return BOOTSTRAP, _two_sided(drawn - drawn_other)
    return compare_pair(values, theirs, study.test, study.resamples, study.seed)


def _drawn(study: Study, metric: str, runs: Sequence[Run]) -> Floats | None:
    return runs[0].row.result.drawn(metric, study.resamples, study.seed)


def _around(mean: float, drawn: Floats) -> Interval:
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))


def _two_sided(change: Floats) -> float:
    # one more on each side, so that no number of draws gives 0; a draw of one class says nothing
    change = change[~np.isnan(change)]
    sides = [(np.sum(change <= 0) + 1) / (len(change) + 1), (np.sum(change >= 0) + 1) / (len(change) + 1)]
    return float(min(1.0, 2 * min(sides)))

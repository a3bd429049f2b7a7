"""The rows of a study side by side: means, intervals over users, and the paired difference to the reference.

Relations: reads ``Row``; ``table``, ``figure``, ``report`` and ``publish`` show what is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rec_lightning.studies.crossed import crossed_difference, crossed_mean
from rec_lightning.studies.evidence import Evidence, corrected, weigh
from rec_lightning.studies.intervals import Interval, bootstrap_mean, paired_difference, per_user
from rec_lightning.studies.rows import Row
from rec_lightning.studies.study import RowSpec, Study

LEVEL = 0.95


@dataclass(frozen=True)
class Run:
    """A finished run of a row with one seed.

    Args:
        seed: of the run.
        command: the line that runs it again.
        row: what it left.
        kept: whether it was already there.
    """

    seed: int
    command: str
    row: Row
    kept: bool = False


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Args:
        spec: what was to run.
        runs: the finished ones, one a seed; at least one.
        scores: mean over seeds and users by metric, in the study's order.
        spread: standard deviation over the seeds by metric; empty with a single run.
        versus: paired difference of the primary metric to the reference; None for the reference itself and where
            there is none.
        evidence: on that difference.
        failures: runs of the same row without a result.
    """

    spec: RowSpec
    runs: tuple[Run, ...]
    scores: Mapping[str, Interval]
    spread: Mapping[str, float]
    versus: Interval | None
    evidence: Evidence | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def row(self) -> Row:
        """The first run's; data, users and sizes are those of all."""
        return self.runs[0].row


@dataclass(frozen=True)
class Failure:
    """A run without a result.

    Args:
        spec: of its row.
        seed: of the run.
        command: the line that runs it again.
        code: exit code of its process; None when it ended well but left something unusable.
        error: its last lines, or what is wrong with what it left.
    """

    spec: RowSpec
    seed: int
    command: str
    code: int | None
    error: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the row, with the seed where the row has several."""
        return self.spec.run_name(self.seed)


@dataclass(frozen=True)
class Finished:
    """A run that was read, before it is compared."""

    spec: RowSpec
    run: Run


@dataclass(frozen=True)
class Missing:
    """A row without any result."""

    spec: RowSpec
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Comparison:
    """A study's outcome.

    Args:
        study: what was asked.
        entries: in the study's order.
        overrides: given beside the study, so that its text alone does not describe the rows.
    """

    study: Study
    entries: tuple[Line | Missing, ...]
    overrides: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The rows with a result."""
        return tuple(entry for entry in self.entries if isinstance(entry, Line))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The runs without."""
        return tuple(failure for entry in self.entries for failure in entry.failures)

    @property
    def reference(self) -> Line | None:
        """The row to which the others are compared, when it has a result."""
        return next((line for line in self.lines if line.spec.name == self.study.reference), None)


def compare(study: Study, entries: Sequence[Finished | Failure], overrides: Sequence[str] = ()) -> Comparison:
    """Puts the rows side by side; a run over other data or users than the first has no result here.

    Args:
        study: metrics, reference and bootstrap.
        entries: the runs, in any order.
        overrides: given beside the study.
    """
    first = next((entry for entry in entries if isinstance(entry, Finished)), None)
    fitting = [_fitting(first, entry) if first and isinstance(entry, Finished) else entry for entry in entries]
    runs, failed = dict[str, tuple[Run, ...]](), dict[str, tuple[Failure, ...]]()
    for row in study.rows:
        mine = [entry for entry in fitting if entry.spec.name == row.name]
        runs[row.name] = tuple(entry.run for entry in mine if isinstance(entry, Finished))
        failed[row.name] = tuple(entry for entry in mine if isinstance(entry, Failure))
    reference = runs[study.reference] if study.reference is not None else ()
    lines = [
        _line(study, row, runs[row.name], reference, failed[row.name])
        if runs[row.name]
        else Missing(row, failed[row.name])
        for row in study.rows
    ]
    return Comparison(study, tuple(_corrected(lines)), tuple(overrides))


def user_values(metric: str, runs: Sequence[Run]) -> NDArray[np.float64]:
    """(S, U) values of a metric, one row a run; the users are in one order."""
    return np.stack([per_user(metric, run.row.ranks) for run in runs])


def _line(
    study: Study, spec: RowSpec, runs: tuple[Run, ...], reference: tuple[Run, ...], failures: tuple[Failure, ...]
) -> Line:
    values = {metric: user_values(metric, runs) for metric in study.metrics}
    scores = {metric: _mean(study, v) for metric, v in values.items()}
    spread = {metric: float(v.mean(1).std(ddof=1)) for metric, v in values.items() if len(runs) > 1}
    versus = evidence = None
    if reference and reference is not runs:
        own, theirs = values[study.primary], user_values(study.primary, reference)
        versus = _difference(study, own, theirs)
        evidence = weigh(own, theirs, versus, study.resamples, study.seed)
    return Line(spec, runs, scores, spread, versus, evidence, failures)


def _corrected(entries: Sequence[Line | Missing]) -> list[Line | Missing]:
    found = [entry.evidence for entry in entries if isinstance(entry, Line) and entry.evidence]
    after = iter(corrected(found))
    return [replace(e, evidence=next(after)) if isinstance(e, Line) and e.evidence else e for e in entries]


def _mean(study: Study, values: NDArray[np.float64]) -> Interval:
    if len(values) == 1:
        return bootstrap_mean(values[0], study.resamples, LEVEL, study.seed)
    interval = crossed_mean(values, LEVEL)
    return Interval(interval.mean, max(0.0, interval.low), min(1.0, interval.high))  # no metric lies outside


def _difference(study: Study, values: NDArray[np.float64], reference: NDArray[np.float64]) -> Interval:
    if len(values) == len(reference) == 1:
        return paired_difference(values[0], reference[0], study.resamples, LEVEL, study.seed)
    return crossed_difference(values, reference, LEVEL)


def _fitting(first: Finished, other: Finished) -> Finished | Failure:
    try:
        _same_users(first, other)
    except ValueError as error:
        return Failure(other.spec, other.run.seed, other.run.command, None, (str(error),))
    return other


def _same_users(first: Finished, other: Finished) -> None:
    a, b = first.run.row, other.run.row
    names = " and ".join(repr(entry.spec.run_name(entry.run.seed)) for entry in (first, other))
    prints = [row.manifest.data.fingerprint[:12] for row in (a, b)]
    if prints[0] != prints[1]:
        raise ValueError(
            f"rows must come from the same data, got {names} with fingerprints {prints[0]} and {prints[1]}. "
            "Run the study in a new folder."
        )
    if not (a.users.equals(b.users) and a.targets.equals(b.targets)):
        raise ValueError(
            f"rows must be tested on the same users and targets, got {names} with {len(a.users)} and {len(b.users)} "
            "users that differ. Give both the same data options."
        )

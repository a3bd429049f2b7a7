"""The rows of a study side by side: means, intervals over users, and the paired difference to the reference.

Relations: reads ``Row``; ``table``, ``figure``, ``report`` and ``publish`` show what is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rec_lightning.studies.intervals import Interval, bootstrap_mean, paired_difference, per_user
from rec_lightning.studies.rows import Row
from rec_lightning.studies.study import RowSpec, Study

LEVEL = 0.95


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Args:
        spec: what was to run.
        command: the line that runs it again.
        row: the finished run.
        scores: by metric, in the study's order.
        versus: paired difference of the primary metric to the reference; None for the reference itself and where
            there is none.
        kept: whether the run was already there.
    """

    spec: RowSpec
    command: str
    row: Row
    scores: Mapping[str, Interval]
    versus: Interval | None
    kept: bool = False


@dataclass(frozen=True)
class Failure:
    """A row without a result.

    Args:
        spec: what was to run.
        command: the line that runs it again.
        code: exit code of its process; None when it ended well but left something unusable.
        error: its last lines, or what is wrong with what it left.
    """

    spec: RowSpec
    command: str
    code: int | None
    error: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """A row whose run was read, before it is compared."""

    spec: RowSpec
    command: str
    row: Row
    kept: bool = False


@dataclass(frozen=True)
class Comparison:
    """A study's outcome.

    Args:
        study: what was asked.
        entries: in the study's order.
        overrides: given beside the study, so that its text alone does not describe the rows.
    """

    study: Study
    entries: tuple[Line | Failure, ...]
    overrides: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The rows with a result."""
        return tuple(entry for entry in self.entries if isinstance(entry, Line))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The rows without."""
        return tuple(entry for entry in self.entries if isinstance(entry, Failure))

    @property
    def reference(self) -> Line | None:
        """The row to which the others are compared, when it has a result."""
        return next((line for line in self.lines if line.spec.name == self.study.reference), None)


def compare(study: Study, entries: Sequence[Finished | Failure], overrides: Sequence[str] = ()) -> Comparison:
    """Puts the rows side by side; one over other data or users than the first has no result here.

    Args:
        study: metrics, reference and bootstrap.
        entries: in the study's order.
        overrides: given beside the study.
    """
    first = next((entry for entry in entries if isinstance(entry, Finished)), None)
    fitting = [_fitting(first, entry) if first and isinstance(entry, Finished) else entry for entry in entries]
    finished = (entry for entry in fitting if isinstance(entry, Finished))
    reference = next((entry.row for entry in finished if entry.spec.name == study.reference), None)
    lines = (entry if isinstance(entry, Failure) else _line(study, entry, reference) for entry in fitting)
    return Comparison(study, tuple(lines), tuple(overrides))


def _line(study: Study, entry: Finished, reference: Row | None) -> Line:
    row, resamples, seed = entry.row, study.resamples, study.seed
    values = {metric: per_user(metric, row.ranks) for metric in study.metrics}
    scores = {metric: bootstrap_mean(v, resamples, LEVEL, seed) for metric, v in values.items()}
    versus = None
    if reference is not None and reference is not row:
        baseline = per_user(study.primary, reference.ranks)
        versus = paired_difference(values[study.primary], baseline, resamples, LEVEL, seed)
    return Line(entry.spec, entry.command, row, scores, versus, entry.kept)


def _fitting(first: Finished, other: Finished) -> Finished | Failure:
    try:
        _same_users(first, other)
    except ValueError as error:
        return Failure(other.spec, other.command, None, (str(error),))
    return other


def _same_users(first: Finished, other: Finished) -> None:
    names = f"{first.spec.name!r} and {other.spec.name!r}"
    prints = [entry.row.manifest.data.fingerprint[:12] for entry in (first, other)]
    if prints[0] != prints[1]:
        raise ValueError(
            f"rows must come from the same data, got {names} with fingerprints {prints[0]} and {prints[1]}. "
            "Run the study in a new folder."
        )
    a, b = first.row, other.row
    if not (a.users.equals(b.users) and a.targets.equals(b.targets)):
        raise ValueError(
            f"rows must be tested on the same users and targets, got {names} with {len(a.users)} and {len(b.users)} "
            "users that differ. Give both the same data options."
        )

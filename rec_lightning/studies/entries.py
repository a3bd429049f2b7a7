"""What a study's table is made of: finished runs, rows with their numbers, and what has no result.

Relations: ``comparison`` computes it from finished runs; ``table``, ``figure``, ``report`` and ``publish`` show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rec_lightning.studies.evidence import Evidence
from rec_lightning.studies.intervals import Interval
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
        also: mean over the seeds of what is told without an interval, in the study's order.
    """

    spec: RowSpec
    runs: tuple[Run, ...]
    scores: Mapping[str, Interval]
    spread: Mapping[str, float]
    versus: Interval | None
    evidence: Evidence | None = None
    failures: tuple[Failure, ...] = ()
    also: Mapping[str, float] = field(default_factory=dict)

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

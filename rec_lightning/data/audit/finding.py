"""One result of one check, and what the checks look at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, USER, Catalog, Sequences, Tables
from rec_lightning.data.facts import Facts
from rec_lightning.data.tables import sort_events

Dimension = Literal["quality", "leakage", "privacy", "documentation"]
Grade = Literal["good", "note", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        dimension: what it belongs to.
        check: its name.
        grade: ``good``; ``note``, to be known; ``warning``, to be mended or explained; ``failure``, results would be
            wrong or people harmed.
        value: the figure, with its unit.
        evidence: how it was found, with an example; never personal data in full.
        advice: what would make it better; empty when good.
    """

    dimension: Dimension
    check: str
    grade: Grade
    value: str
    evidence: str
    advice: str = ""

    def plain(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """Prepared data under audit.

    Args:
        tables: after preparation.
        sequences: sorted and split; event e is row e of ``events``.
        catalog: the items.
        facts: licence, source, split.
        files: read by the source; may be none.
    """

    tables: Tables
    sequences: Sequences
    catalog: Catalog
    facts: Facts
    files: tuple[str, ...] = ()

    @cached_property
    def events(self) -> pl.DataFrame:
        """Interactions in the order of the sequences."""
        return sort_events(self.tables.interactions)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """(E,) user of each event, counted from 0."""
        return np.repeat(np.arange(len(self.sequences.users)), np.diff(self.sequences.offsets))

    @cached_property
    def role(self) -> NDArray[np.int8]:
        """(E,) part of each event."""
        return np.asarray(self.sequences.role)

    def texts(self) -> list[tuple[str, str, pl.Series]]:
        """(table, column, values) of every column of texts that is no id."""
        frames = {"interactions": self.events, "items": self.tables.items, "users": self.tables.users}
        found = []
        for name, frame in frames.items():
            for column in frame.select(cs.string(), cs.by_dtype(pl.List(pl.String))).iter_columns():
                if column.name not in (USER, ITEM):
                    flat = column.list.join(" ") if column.dtype == pl.List else column
                    found.append((name, column.name, flat))
        return found


def share(part: int | float, whole: int | float) -> str:
    """``3 of 10 (30 %)``.

    Example:
        >>> share(3, 10)
        '3 of 10 (30 %)'
    """
    return f"{part:,} of {whole:,} ({100 * part / whole if whole else 0:.3g} %)"

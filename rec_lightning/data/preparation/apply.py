"""Runs the steps in order and says what each of them removed.

Relations: ``RecData`` calls it between the source and the split; the report goes into the prepared form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import polars as pl

from rec_lightning.contracts import ITEM, USER, Step


@dataclass(frozen=True)
class Removal:
    """What one step did.

    Args:
        step: its name and options.
        events, users, items: left after it.
        removed: events that went.
    """

    step: str
    events: int
    users: int
    items: int
    removed: int

    def plain(self) -> dict[str, str | int]:
        """As JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.step} removed {self.removed}, left {self.events}"


def apply_steps(events: pl.DataFrame, steps: Mapping[str, Step], name: str) -> tuple[pl.DataFrame, list[Removal]]:
    """The prepared interactions and the report.

    Args:
        events: canonical interactions.
        steps: in order, by name.
        name: of the data set.

    Raises:
        ValueError: nothing was there, or nothing is left; says which step removed how much.
    """
    if events.is_empty():
        raise ValueError(f"{name} has no interactions, before any filter. Check the file.")
    report = []
    for key, step in steps.items():
        before = events.height
        events = step(events)
        users, items = (events[column].n_unique() for column in (USER, ITEM))
        options = repr(step).partition("(")[2]
        report.append(Removal(f"{key}({options}", events.height, users, items, before - events.height))
        if events.is_empty():
            told = "; ".join(str(removal) for removal in report)
            raise ValueError(f"{name} is empty after its filters: {told}. Relax data.prepare.{key}.")
    return events, report

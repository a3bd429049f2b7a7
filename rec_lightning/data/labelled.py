"""The labels of all events, and what is known of each event beside them: its context.

Context is every column of the interactions but the ids, the time, what users said (rating, label, event, weight) and
the label's own; where times are known, the ``hour`` (0..23) and the ``weekday`` (1, Monday, ..7) in UTC beside them.

Relations: ``RecData`` makes it where a task scores; ``examples`` reads the labels, heads of scoring the context;
``joint`` has the labels of several tasks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import (
    EVENT,
    ITEM,
    KNOWN,
    LABEL,
    ORDER,
    PART,
    RATING,
    TIMESTAMP,
    TRAINS,
    USER,
    WEIGHT,
    Catalog,
    Label,
    Sequences,
    Tables,
)
from rec_lightning.data.examples import Examples
from rec_lightning.data.tables import sort_events

_SAID = (USER, ITEM, TIMESTAMP, ORDER, PART, RATING, LABEL, EVENT, WEIGHT, TRAINS, KNOWN)


class Labelled:
    """Labels and context of the events.

    Args:
        label: what is to be predicted of an event.
        tables: whose interactions these are.
        sequences: the same events, sorted and split.
        catalog: of the same data.

    Raises:
        ValueError: see ``RecData.label_events``.
    """

    def __init__(self, label: Label, tables: Tables, sequences: Sequences, catalog: Catalog) -> None:
        events = sort_events(tables.interactions)
        self.drawn: int = getattr(label, "drawn", 0)
        self.labels: NDArray[np.float32] = label(events)  # (E,)
        check_labels(label, self.drawn, self.labels, np.asarray(sequences.role), tables.name)
        known = replace(sequences, label=self.labels)
        self.catalog = replace(catalog, events=context_of(events, [label.column], sequences), sequences=known)

    def examples(self, sequences: Sequences, role: int, max_length: int, last: int) -> Examples:
        """The examples of a role, as ``Examples`` says."""
        return Examples(sequences, self.labels, role, max_length, last, self.drawn)


def context_of(events: pl.DataFrame, labels: Collection[str], sequences: Sequences) -> pl.DataFrame:
    """What ``Catalog.events`` holds.

    Args:
        events: sorted interactions.
        labels: the columns that say what is predicted, which are no context.
        sequences: the same events.
    """
    trains = np.asarray(sequences.role) == 0
    own = np.add.reduceat(trains, sequences.offsets[:-1], dtype=np.int64)  # (U,) training events
    counts = {TRAINS: trains, KNOWN: np.repeat(own, np.diff(sequences.offsets))}
    if TIMESTAMP in events.columns:
        # bounded, so that a wrong time is a missing hour and no error of the calendar
        time = pl.from_epoch(pl.col(TIMESTAMP).cast(pl.Float64).floor().cast(pl.Int64).clip(0, 2**37), time_unit="s")
        events = events.with_columns(hour=time.dt.hour(), weekday=time.dt.weekday())
    context = [column for column in events.columns if column not in (*_SAID, *labels)]
    return pl.DataFrame({column: events[column] for column in context} | counts)


def check_labels(label: Label, drawn: int, labels: NDArray[np.float32], role: NDArray[np.int8], name: str) -> None:
    """Refuses labels that nothing can be learnt from.

    Raises:
        ValueError: a part has no labelled event, or training has one label only.
    """
    known = ~np.isnan(labels)
    for part, number in (("train", 0), ("validation", 1), ("test", 2)):
        if not known[role == number].any():
            raise ValueError(f"{name} has no {part} events with a label ({label}). Choose another label or split.")
    found = np.unique(labels[known & (role == 0)])
    if len(found) < 2 and not drawn:
        raise ValueError(
            f"labels must differ in training, and all {int(known[role == 0].sum())} of {name} are {found[0]:g}. Set "
            "another label, or label=clicked where every event is a positive one."
        )

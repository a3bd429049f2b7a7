"""The canonical tables against their schema, by pandera; a part of quality.

Relations: ``quality`` looks at what the values say, this at types, uniqueness and ranges.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rec_lightning.contracts import ITEM, TIMESTAMP, USER
from rec_lightning.data.audit.finding import Finding, Subject


def schema(subject: Subject) -> Iterator[Finding]:
    """The canonical tables against their schema, by pandera."""
    try:
        from pandera import polars as pa
        from pandera.errors import SchemaErrors
    except ImportError:
        advice = "Install it with pip install 'rec-lightning[audit]'."
        yield Finding("quality", "schema", "note", "not checked", "pandera is not installed", advice)
        return

    number = pl.Int64 if subject.events[USER].dtype.is_integer() else pl.String
    item = pl.Int64 if subject.events[ITEM].dtype.is_integer() else pl.String
    events = pa.DataFrameSchema({USER: pa.Column(number), ITEM: pa.Column(item)}, strict=False)
    if TIMESTAMP in subject.events.columns:
        events = events.add_columns({TIMESTAMP: pa.Column(subject.events[TIMESTAMP].dtype, pa.Check.ge(0))})
    items = pa.DataFrameSchema({ITEM: pa.Column(item, unique=True)}, strict=False)
    users = pa.DataFrameSchema({USER: pa.Column(number, unique=True)}, strict=False)
    for name, table, frame in (
        ("interactions", events, subject.events),
        ("items", items, subject.catalog.items),
        ("users", users, subject.catalog.users),
    ):
        try:
            table.validate(frame, lazy=True)
            told = ""
        except SchemaErrors as error:
            told = "; ".join(error.failure_cases["check"].cast(pl.String).unique().sort().to_list())
        yield Finding(
            "quality",
            f"schema of {name}",
            "failure" if told else "good",
            told or "kept",
            "types, uniqueness and ranges of the canonical columns",
            "Mend the columns named." if told else "",
        )

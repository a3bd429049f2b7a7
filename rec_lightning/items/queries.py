"""What people asked for: a text column of the events, each different text once.

A query is known before an item is chosen, so a model may read that of the very event it scores. An event without one,
or with white space only, asks for nothing.

Relations: ``text`` reads them behind the items' texts.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from rec_lightning.contracts import TRAINS

# E events, Q different queries


class Queries:
    """The texts, and which event has which.

    Args:
        events: E rows, as in ``Catalog``; without any, nothing is looked at.
        column: of theirs; None for no queries.

    Raises:
        ValueError: the column is not there, holds no texts, or no training event has one.

    Example:
        >>> found = Queries(pl.DataFrame({"trains": [True] * 3, "query": ["war", None, "love"]}), "query")
        >>> found.texts, found.place.tolist()
        (['love', 'war'], [2, 0, 1])
    """

    def __init__(self, events: pl.DataFrame, column: str | None) -> None:
        self.columns = () if column is None else (column,)
        self.texts: list[str] = []
        self.place = np.zeros(events.height, np.int64)  # (E,) 1..Q, 0 for none
        if column is None or not events.height:
            return
        if column not in events.columns:
            raise ValueError(
                f"items.query must be a column of the events ({', '.join(events.columns)}), got {column!r}. Set "
                "items.query, or name the column in data.source."
            )
        if events[column].dtype != pl.String:
            raise ValueError(
                f"items.query must be a column of texts, and {column} holds {events[column].dtype}. Set items.query, "
                "or name the column in head.fields.events."
            )
        said = events[column].str.strip_chars()
        said = said.set(said == "", None)
        if said.filter(events[TRAINS]).null_count() == events[TRAINS].sum():
            raise ValueError(
                f"items.query names {column!r}, which is empty in every training event. Set items.query=null, or fill "
                "it."
            )
        self.texts = said.drop_nulls().unique().sort().to_list()
        place = {text: number for number, text in enumerate(self.texts, 1)}
        self.place = said.replace_strict(place, default=0, return_dtype=pl.Int64).to_numpy()

"""Rows of any table of facts as vectors: the sum over its categories, lists and numbers.

The table may be one of items or of users: rows are counted from 0 and there is no padding.

Relations: ``features`` makes item vectors of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rec_lightning.items.feature_columns import NumberColumn, Transform, WordColumn

# R rows, M rows asked for, F columns, D width


class FeatureTable(nn.Module):
    """Facts -> vectors. Vocabularies and scales are those of the rows given at the start.

    Args:
        frame: R rows; without any, only the names of the columns are checked.
        width: D.
        categories: columns with one value a row, taken as text.
        lists: columns with any number of values a row.
        numbers: column -> ``standardise`` (mean 0, spread 1), ``log1p`` (the same of log(1 + x)) or ``buckets``
            (equally filled ones, each with a vector).
        buckets: how many.
        min_count: values in fewer rows share the vector of unknown ones.
        max_distinct: largest share of different values among the rows that have one; above it a category is an id.

    Raises:
        ValueError: no column, one that is not there, named twice, of another type or without any value, or a value out
            of range.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        width: int,
        categories: Sequence[str] = (),
        lists: Sequence[str] = (),
        numbers: Mapping[str, Transform] | None = None,
        buckets: int = 10,
        min_count: int = 1,
        max_distinct: float = 0.5,
    ) -> None:
        super().__init__()
        self.categories, self.lists, self.numbers = list(categories), list(lists), dict(numbers or {})
        for name, value, least in (("buckets", buckets, 2), ("min_count", min_count, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}. Set {name}.")
        if not 0 < max_distinct <= 1:
            raise ValueError(f"max_distinct must be in (0, 1], got {max_distinct}. Set max_distinct.")
        self.width, self.max_distinct = width, max_distinct
        self._check_names(frame)
        self.edges = {
            name: _edges(_number(frame[name], how), buckets) for name, how in self.numbers.items() if how == "buckets"
        }
        prepared = self._prepare(frame)
        for name in self.categories:
            self._check_category(prepared[name], name)
        self.columns = nn.ModuleList(
            NumberColumn(rows, width) if rows.dtype.is_numeric() else WordColumn(rows, width, min_count)
            for rows in prepared.values()
        )

    def encode(self, frame: pl.DataFrame) -> None:
        """Takes other rows in the place of the present ones: new values have the vector of unknown ones.

        Raises:
            ValueError: a column is not there or of another type.
        """
        self._check_names(frame)
        for column, rows in zip(self.columns, self._prepare(frame).values(), strict=True):
            column.encode(rows)  # type: ignore[operator]

    @property
    def fingerprint(self) -> str:
        """sha256 over what was learnt from the rows at the start: each row of a weight stands for one value."""
        edges = {name: found.tolist() for name, found in self.edges.items()}
        known = [(type(column).__name__, column.known) for column in self.columns]
        return hashlib.sha256(
            json.dumps([self.categories, self.lists, self.numbers, edges, known]).encode()
        ).hexdigest()

    def fields(self, rows: Tensor) -> Tensor:
        """(M,) rows counted from 0 -> (M, F, D), a vector for each of F columns."""
        return torch.stack([column(rows) for column in self.columns], 1)

    def forward(self, rows: Tensor) -> Tensor:
        """(M,) rows counted from 0 -> (M, D), their sum."""
        return self.fields(rows).sum(1)

    def _check_names(self, frame: pl.DataFrame) -> None:
        named = [*self.categories, *self.lists, *self.numbers]
        if not named:
            raise ValueError(
                f"features need a column at least, got none. Set categories, lists or numbers to some of: "
                f"{', '.join(frame.columns)}."
            )
        for name in named:
            option = next(o for o in ("categories", "lists", "numbers") if name in getattr(self, o))
            if name not in frame.columns:
                raise ValueError(
                    f"{option} names {name!r}, which the table does not have. Columns: {', '.join(frame.columns)}. "
                    f"Set {option}."
                )
            if named.count(name) > 1:
                raise ValueError(f"each feature must be named once, and {name!r} is named twice. Leave one out.")
            several = isinstance(frame[name].dtype, pl.List | pl.Array)
            if frame.height and several != (option == "lists"):
                kind, other = ("lists", "lists") if several else ("single values", "categories or numbers")
                raise ValueError(f"{option} names {name!r}, which holds {kind}. Name it in {other}.")
            if frame.height and frame[name].null_count() == frame.height:
                raise ValueError(f"{option} names {name!r}, which has no value in any row. Leave it out.")

    def _prepare(self, frame: pl.DataFrame) -> dict[str, pl.Series]:
        # lists of texts, or numbers
        words = {name: _words(frame[name]) for name in (*self.categories, *self.lists)}
        scaled = {name: _number(frame[name], how) for name, how in self.numbers.items()}
        for name, edges in self.edges.items():
            place = pl.Series(np.searchsorted(edges, scaled[name].fill_null(0.0).to_numpy(), side="right"))
            scaled[name] = _words(pl.select(pl.when(scaled[name].is_not_null()).then(place)).to_series())
        return words | scaled

    def _check_category(self, rows: pl.Series, name: str) -> None:
        values = rows.explode().drop_nulls()
        if len(values) > 1 and values.n_unique() > self.max_distinct * len(values):
            raise ValueError(
                f"{name!r} has {values.n_unique()} different values in {len(values)} rows, so it is nearly an id "
                f"(max_distinct={self.max_distinct}). Leave it out of categories, or set max_distinct."
            )


def _words(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String))
    text = column.cast(pl.String)
    return pl.select(pl.when(text.is_not_null()).then(pl.concat_list(text))).to_series()


def _number(column: pl.Series, how: Transform) -> pl.Series:
    numbers = column.cast(pl.Float64, strict=False)
    numbers = numbers.set(numbers.is_nan(), None)
    wrong = column.filter(numbers.is_null() & column.is_not_null() & (column.cast(pl.String) != "NaN"))
    wrong = wrong if len(wrong) else column.filter(numbers.is_infinite())
    if len(wrong):
        raise ValueError(f"numbers names {column.name!r}, which holds {wrong[0]!r}. Name it in categories.")
    low = numbers.min()
    if how == "log1p" and isinstance(low, float) and low <= -1:
        raise ValueError(f"log1p needs numbers above -1, and {column.name!r} holds {low}. Set it to standardise.")
    return numbers.log1p() if how == "log1p" else numbers


def _edges(numbers: pl.Series, buckets: int) -> NDArray[np.float64]:
    # between equally filled buckets; fewer where many values are equal
    known = numbers.drop_nulls().to_numpy()
    inner = np.linspace(0, 1, buckets + 1)[1:-1]
    return np.unique(np.quantile(known, inner)) if len(known) else np.empty(0)

"""A column of the item table that a filter asks for."""

from __future__ import annotations

import polars as pl

from rec_lightning.contracts import Catalog


def column_of(catalog: Catalog, name: str, option: str) -> pl.Series:
    """The column.

    Raises:
        ValueError: the item table has none of this name.
    """
    if name not in catalog.items.columns:
        raise ValueError(
            f"{option} must be a column of the item table ({', '.join(catalog.items.columns)}), got {name!r}. "
            f"Set {option}."
        )
    return catalog.items[name]

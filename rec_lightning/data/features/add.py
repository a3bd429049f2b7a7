"""Puts features beside the columns of the source; nothing of validation or test goes into them.

Relations: ``RecData`` calls it after the split, since only the split says which events train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from rec_lightning.contracts import ITEM, USER, Catalog, Feature


def named_columns(
    features: Mapping[str, Feature], items: tuple[str, ...], users: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of items and users that there will be, before any data is read.

    Args:
        features: by name, in order.
        items: columns of the item table.
        users: columns of the user table.

    Raises:
        ValueError: a feature needs a column that the item table lacks, or makes one that is there.
    """
    columns = {"items": list(items), "users": list(users)}
    for name, feature in features.items():
        missing = [column for column in feature.needs if column not in items]
        if missing:
            raise ValueError(
                f"data.features.{name} needs the column {missing[0]} of the items, and their columns are "
                f"{', '.join(items)}. Set data.features.{name}.column, or leave it out."
            )
        taken = [column for column in feature.columns if column in columns[feature.of]]
        if taken:
            raise ValueError(
                f"data.features.{name} makes the column {taken[0]} of the {feature.of}, and there is one already. "
                "Leave one of the two out."
            )
        columns[feature.of] += feature.columns
    return tuple(columns["items"]), tuple(columns["users"])


def add_features(catalog: Catalog, features: Mapping[str, Feature], training: pl.DataFrame) -> Catalog:
    """The catalogue with the columns of all features.

    Args:
        catalog: as the source describes it.
        features: by name.
        training: training events only, by user and time.

    Raises:
        ValueError: the data lack what a feature is computed from.
    """
    named_columns(features, tuple(catalog.items.columns), tuple(catalog.users.columns))
    items, users = catalog.items, catalog.users
    for feature in features.values():
        found = feature(training, catalog)
        if feature.of == "items":
            items = items.join(found, on=ITEM, how="left", maintain_order="left")
        else:
            users = users.join(found, on=USER, how="left", maintain_order="left")
        # a count of what never happened is 0, anything else of it unknown
        counts = [pl.col(column).fill_null(0) for column in feature.columns if found[column].dtype == pl.UInt32]
        items, users = (
            (items.with_columns(counts), users) if feature.of == "items" else (items, users.with_columns(counts))
        )
    return replace(catalog, items=items, users=users)

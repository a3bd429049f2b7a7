"""Category taste of a user: the categories that most of the user's training events fall into.

While training, the item that is asked for counts too: a model may learn from it more than it will know in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import ITEM, USER, Catalog


@dataclass(frozen=True)
class CategoryTaste:
    """The column ``category_taste``, a list of texts; null for a user with no training event of a known category.

    Args:
        column: of the item table, a text or a list of texts.
        top: longest list; equally frequent categories come in the order of the alphabet.

    Raises:
        ValueError: ``top`` below 1.
    """

    column: str = "genres"
    top: int = 3
    of: ClassVar[Literal["users"]] = "users"
    columns: ClassVar[tuple[str, ...]] = ("category_taste",)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"data.features.*.top must be at least 1, got {self.top}. Set it.")

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return (self.column,)

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row a user with training events of a known category, the most frequent category first.

        Raises:
            ValueError: the column holds neither texts nor lists of them.
        """
        kind = catalog.items[self.column].dtype
        if kind not in (pl.String, pl.List(pl.String)):
            raise ValueError(
                f"data.features.*.column must name texts, or lists of texts, of the items, and {self.column} holds "
                f"{kind}. Set it."
            )
        items = catalog.items.select(ITEM, category=pl.col(self.column))
        if kind != pl.String:
            items = items.filter(pl.col("category").list.len() > 0).explode("category")
        met = training.select(USER, ITEM).join(items.drop_nulls("category"), on=ITEM)
        counts = met.group_by(USER, "category").len().sort(USER, "len", "category", descending=[False, True, False])
        return counts.group_by(USER, maintain_order=True).agg(category_taste=pl.col("category").head(self.top))

"""Price taste of a user: the mean price of the items of the user's training events.

While training, the item that is asked for counts too: a model may learn from it more than it will know in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from rec_lightning.contracts import ITEM, USER, Catalog


@dataclass(frozen=True)
class PriceTaste:
    """The column ``price_taste``; null for a user with no training event of a known price.

    Args:
        column: of the item table, numbers.
    """

    column: str = "price"
    of: ClassVar[Literal["users"]] = "users"
    columns: ClassVar[tuple[str, ...]] = ("price_taste",)

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return (self.column,)

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """One row a user with training events.

        Raises:
            ValueError: the column holds no numbers.
        """
        kind = catalog.items[self.column].dtype
        if not kind.is_numeric():
            raise ValueError(
                f"data.features.*.column must name numbers of the items, and {self.column} holds {kind}. Set it."
            )
        prices = training.select(USER, ITEM).join(catalog.items.select(ITEM, self.column), on=ITEM, how="left")
        return prices.group_by(USER, maintain_order=True).agg(price_taste=pl.col(self.column).mean())

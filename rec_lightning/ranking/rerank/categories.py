"""A column of the item table as categories: words, lists of words, or numbers; and how much each user had of each.

An item belongs to each of its m categories by 1 / m. The taste of a user is the mean over the items that the user has:
H. Steck, "Calibrated Recommendations", RecSys 2018, https://doi.org/10.1145/3240323.3240372, equations 1 and 2.

Relations: read by ``likeness`` and by the re-rankers that balance categories: ``xquad``, ``calibrated``, ``fair``,
``constraints``, ``bandit``.
"""

from __future__ import annotations

import polars as pl
import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog

# B batch, N items, C candidates, G categories, M categories of one item at most


class Categories:
    """The categories of all items, few numbers an item whatever their number.

    Args:
        catalog: gives the item table.
        column: of it.
        option: name of the option, for the message.

    Attributes:
        names: of the categories, in order.
        place: (N + 1, M) int64 which ones an item has, G where it has fewer.
        share: (N + 1, M) float32 how much it belongs to each, 0 beside a G.

    Raises:
        ValueError: no such column.

    Example:
        >>> import numpy as np
        >>> items = pl.DataFrame({"item": ["x", "y"], "genres": [["b", "a"], ["b"]]})
        >>> found = Categories(Catalog(items, np.zeros(3, np.int64)), "genres")
        >>> found.names, found.place.tolist(), found.share.tolist()
        (['a', 'b'], [[2, 2], [0, 1], [1, 2]], [[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    """

    def __init__(self, catalog: Catalog, column: str, option: str = "by") -> None:
        if column not in catalog.items.columns:
            known = ", ".join(catalog.items.columns[1:]) or "none"
            raise ValueError(
                f"rerank.{option} must be a column of the item table ({known}), got {column!r}. Set rerank.{option}."
            )
        rows = catalog.items.select(word=pl.col(column)).with_row_index("row", offset=1)
        if isinstance(rows["word"].dtype, pl.List | pl.Array):
            rows = rows.explode("word")
        rows = rows.with_columns(pl.col("word").cast(pl.String)).drop_nulls().unique()
        words = rows["word"].unique().sort()
        self.names: list[str] = words.to_list()
        rows = rows.join(words.to_frame().with_row_index("place"), on="word").sort("row", "place")
        rows = rows.with_columns(number=pl.int_range(pl.len()).over("row"), of=pl.len().over("row"))
        most = max([1, *rows["of"].to_list()])
        self.place = torch.full((catalog.size + 1, most), len(self.names), device="cpu")
        self.share = torch.zeros(catalog.size + 1, most, device="cpu")
        cell = tuple(torch.from_numpy(rows[name].to_numpy().astype("int64")) for name in ("row", "number"))
        self.place[cell] = torch.from_numpy(rows["place"].to_numpy().astype("int64"))
        self.share[cell] = torch.from_numpy((1 / rows["of"]).to_numpy().astype("float32"))

    def to(self, device: torch.device) -> Categories:
        """Itself, its tensors on the device."""
        self.place, self.share = self.place.to(device), self.share.to(device)
        return self

    def __len__(self) -> int:
        return len(self.names)

    def taste(self, batch: Batch) -> Tensor:
        """(B, G + 1) float32 how much of what each user has is in each category; the last column is 0.

        A row sums to 1, or less by the items without a category. What the user has is ``seen``, or else ``history``.
        """
        if batch.seen is not None and batch.seen_offsets is not None:
            items, count = batch.seen, batch.seen_offsets.diff()
            row = torch.repeat_interleave(torch.arange(len(batch), device=items.device), count)
        else:
            row, column = (batch.history > 0).nonzero(as_tuple=True)
            items, count = batch.history[row, column], batch.length
        total = self.share.new_zeros(len(batch), len(self) + 1)
        cell = (row.unsqueeze(1) * total.shape[1] + self.place[items]).flatten()
        total.view(-1).index_add_(0, cell, self.share[items].flatten())
        total[:, -1] = 0
        return total / count.clamp(min=1).unsqueeze(1)


def membership(catalog: Catalog, column: str, option: str = "by") -> Tensor:
    """Which item is in which category: (N + 1, G) float32 ones and zeros, the padding in none.

    Raises:
        ValueError: no such column.
    """
    found = Categories(catalog, column, option)
    member = torch.zeros(catalog.size + 1, len(found) + 1, device="cpu")
    return member.scatter_(1, found.place, 1.0)[:, : max(1, len(found))] * (found.share.sum(1, keepdim=True) > 0)

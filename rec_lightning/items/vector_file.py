"""Vectors of items from a file: ``.npy`` or Parquet, matched to the catalogue by id.

An ``.npy`` file holds one row an item. Which row belongs to which item says ``ids``, a file of as many ids; without it
the rows must be the whole catalogue in the order of its ids, ascending. A Parquet file holds its ids. Ids are compared
as text, so the number 7 is the text ``7``; rows of other items are left out.

Relations: ``text_vectors`` computes such vectors from texts; ``pretrained`` and ``text_init`` use either.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from rec_lightning.contracts import ITEM, Catalog
from rec_lightning.items.vector_rows import ArrayRows, ParquetRows

# N items of the catalogue, H width of the vectors

log = logging.getLogger(__name__)


class VectorFile:
    """Reads the vectors of a catalogue.

    Args:
        path: ``.npy`` or ``.parquet``.
        ids: file with the ids of the rows of an ``.npy``: ``.npy``, or text with one id a line.
        item_column: column of the ids in a Parquet file.
        columns: of the vectors in a Parquet file: one of lists, or many of numbers; null for all but ``item_column``.
        max_missing: share of the catalogue that may have no vector, in [0, 1); these items get the mean of the others.

    Raises:
        ValueError: a value out of range, or an option that has no effect on this kind of file.
    """

    def __init__(
        self,
        path: str,
        ids: str | None = None,
        item_column: str = ITEM,
        columns: Sequence[str] | None = None,
        max_missing: float = 0.0,
    ) -> None:
        self.path, self.max_missing = Path(path).expanduser(), max_missing
        if not 0 <= max_missing < 1:
            raise ValueError(
                f"items.vectors.max_missing must be in [0, 1), got {max_missing}. Set items.vectors.max_missing."
            )
        if self.path.suffix not in (".npy", ".parquet"):
            raise ValueError(f"items.vectors.path must end in .npy or .parquet, got {path}. Set items.vectors.path.")
        if self.path.suffix == ".parquet":
            if ids is not None:
                raise ValueError(
                    f"items.vectors.ids has no effect: {path} holds its ids. Set items.vectors.item_column."
                )
            self.rows: ArrayRows | ParquetRows = ParquetRows(self.path, item_column, columns)
        else:
            if columns is not None or item_column != ITEM:
                raise ValueError(f"{path} has no columns, so none can be named. Set items.vectors.ids.")
            self.rows = ArrayRows(self.path, None if ids is None else Path(ids).expanduser())

    def __call__(self, catalog: Catalog) -> Tensor:
        """(N, H) float32 on the CPU; of an empty catalogue, only the file's head is read.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: too many items without a vector, an id twice, a value that is not finite, or rows that fit
                neither the ids nor the catalogue.
        """
        width = self.rows.width()
        if width < 1:
            raise ValueError(f"{self.path} holds vectors of no width. Set items.vectors.")
        out = torch.empty(catalog.size, width, device="cpu")
        if not catalog.size:
            return out
        names, rows = self.rows.read()
        if names is None and len(rows) != catalog.size:
            raise ValueError(
                f"{self.path} has {len(rows)} rows and no ids, so it must be the whole catalogue, which has "
                f"{catalog.size} items. Set items.vectors.ids."
            )
        place = np.arange(len(rows)) if names is None else self._places(names, catalog)
        found = place >= 0
        vectors = torch.from_numpy(np.asarray(rows[place[found]], np.float32))
        self._check_finite(vectors, catalog.items[ITEM].filter(pl.Series(found)))
        out[:] = vectors.mean(0)
        out[torch.from_numpy(found)] = vectors
        return out

    def _places(self, names: pl.Series, catalog: Catalog) -> NDArray[np.int64]:
        # (N,) row of each item, -1 where it has none
        twice = names.filter(names.is_duplicated())
        if len(twice):
            raise ValueError(f"{self.path} must hold each id once, and {twice[0]!r} comes twice. Remove a row.")
        rows = pl.DataFrame({"id": names, "row": np.arange(len(names), dtype=np.int64)})
        wanted = pl.DataFrame({"id": catalog.items[ITEM].cast(pl.String)})
        place: NDArray[np.int64] = (
            wanted.join(rows, on="id", how="left", maintain_order="left")["row"].fill_null(-1).to_numpy()
        )
        missing, first = int((place < 0).sum()), wanted["id"][int((place < 0).argmax())]
        if missing == len(place) or missing > self.max_missing * len(place):
            raise ValueError(
                f"{self.path} has no vector for {missing} of {len(place)} items (first: {first!r}; ids in it are such "
                f"as {names[0]!r}), more than max_missing={self.max_missing} allows. Give a file with them, or set "
                "items.vectors.max_missing."
            )
        if missing:
            log.warning("%s has no vector for %d of %d items; they get the mean", self.path, missing, len(place))
        return place

    def _check_finite(self, vectors: Tensor, names: pl.Series) -> None:
        bad = (~vectors.isfinite()).any(1)
        if bad.any():
            raise ValueError(
                f"vectors must be finite, and {self.path} has {int(bad.sum())} rows that are not (first: item "
                f"{names[int(bad.nonzero()[0])]!r}). Repair or remove them."
            )

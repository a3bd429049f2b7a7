"""Items that a file names: what is in stock, what may be shown, or what must not be.

Relations: ``between`` and ``category`` read the item table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, Catalog


class Listed:
    """Keeps the items of a list, or leaves them out.

    Args:
        path: text file of ids as in the source, one a line; blank lines do not count.
        keep: whether the named items are kept or left out.
        unknown: what is done about ids that the catalogue lacks: nothing (``skip``), or ``refuse``.

    Raises:
        ValueError: no such file, or one without ids.
    """

    def __init__(self, path: str, keep: bool = True, unknown: Literal["skip", "refuse"] = "skip") -> None:
        file = Path(path).expanduser()
        if not file.is_file():
            raise ValueError(f"filters.listed.path must be a file of item ids, and {path} is none. Set it.")
        lines = file.read_text(encoding="utf8").splitlines()
        self.ids = [line.strip() for line in lines if line.strip()]
        if not self.ids:
            raise ValueError(f"filters.listed.path must name at least one item, and {path} is empty. Set it.")
        self.path, self.keep, self.unknown = path, keep, unknown

    def __call__(self, catalog: Catalog) -> NDArray[np.bool_]:
        """(N,) whether each item stays.

        Raises:
            ValueError: ids that the catalogue lacks, where that is refused.
        """
        own, named = catalog.items[ITEM].cast(pl.String), pl.Series(self.ids).unique()
        strange = named.filter(~named.is_in(own.implode()))
        if len(strange) and self.unknown == "refuse":
            raise ValueError(
                f"the ids of {self.path} must be in the catalogue, and {len(strange)} of {len(named)} are not (first: "
                f"{strange.sort()[0]}). Mend the file, or set filters.listed.unknown=skip."
            )
        found: NDArray[np.bool_] = own.is_in(named.implode()).to_numpy()
        return found if self.keep else ~found

"""Which items may be shown: what filters leave.

Relations: the filters are the parts of ``rec_lightning.filters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import Catalog


def candidates(
    filters: Mapping[str, Any], catalog: Catalog, stays: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """(C,) item indices.

    Args:
        filters: name -> catalogue -> (N,) whether each item stays.
        catalog: the items.
        stays: (N,) what is left before; None for all.

    Raises:
        ValueError: none is left.
    """
    left = np.ones(catalog.size, bool) if stays is None else stays
    for name, part in filters.items():
        left = left & part(catalog)
        if not left.any():
            raise ValueError(f"filters must leave an item, and none of {catalog.size:,} is left after {name}.")
    found: NDArray[np.int64] = np.flatnonzero(left) + 1
    return found

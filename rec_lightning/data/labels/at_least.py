"""Like or dislike: whether a number, usually a rating, reaches a bound.

Relations: ``rating`` predicts the number itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import Kind
from rec_lightning.data.labels.column import read_numbers


@dataclass(frozen=True)
class AtLeast:
    """1 where the column is ``least`` or more, 0 where it is less, none where it is empty.

    Args:
        column: of the interactions.
        least: the bound; 1 reads a column of 0 and 1.

    Example:
        >>> AtLeast("rating", 4)(pl.DataFrame({"rating": [3, 4, None]})).tolist()
        [0.0, 1.0, nan]
    """

    column: str = "rating"
    least: float = 4.0
    kind: ClassVar[Kind] = "binary"
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0
    step: ClassVar[float | None] = 1.0

    def __call__(self, events: pl.DataFrame) -> NDArray[np.float32]:
        """E rows -> (E,)."""
        numbers = read_numbers(events, self.column)
        return (numbers >= self.least).cast(pl.Float32).fill_null(float("nan")).to_numpy()

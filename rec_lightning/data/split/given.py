"""The split that the data come with: a column, or files of their own, say which event is in which part.

Relations: ``SequenceFiles`` fills the column ``part`` from its files; published splits (LightGCN, BARS) come so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import PART

_ROLES = {"train": 0, "validation": 1, "test": 2, "input": 3}


@dataclass(frozen=True)
class Given:
    """Reads the roles from a column of ``train``, ``validation``, ``test`` and ``input`` (read, never trained).

    Args:
        column: of the interactions.

    Example:
        >>> Given()(np.array([0, 3]), pl.DataFrame({"part": ["train", "validation", "test"]})).tolist()
        [0, 1, 2]
    """

    column: str = PART
    leaks: ClassVar[str] = "whatever the given split leaks: nobody here has checked how it was made"

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event.

        Raises:
            ValueError: there is no such column, or it holds another word.
        """
        if self.column not in events.columns:
            raise ValueError(
                f"the given split must be a column of the interactions ({', '.join(events.columns)}), got "
                f"{self.column}. Set data.split.column, or the files of validation and test in data.source."
            )
        words = events[self.column]
        others = words.filter(~words.is_in(list(_ROLES)).fill_null(False)).unique()
        if len(others):
            raise ValueError(
                f"{self.column} must be one of {', '.join(_ROLES)} in every row, got {others[0]!r}. Set it, or filter."
            )
        return words.replace_strict(_ROLES, return_dtype=pl.Int8).to_numpy()

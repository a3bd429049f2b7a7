"""Classes: which of several kinds an event is, as buy, read, watch, listen.

Relations: ``at_least`` has two classes in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import Kind
from rec_lightning.data.labels.column import read_column


class Classes:
    """The place of the column's word among the classes, none where it is empty.

    Args:
        classes: the words, at least two.
        column: of the interactions; read as text.
        others: what becomes of another word: ``refuse``, or ``ignore`` (the event has no label).

    Raises:
        ValueError: fewer than two classes, or one named twice.

    Example:
        >>> Classes(["view", "buy"])(pl.DataFrame({"event": ["buy", "view", None]})).tolist()
        [1.0, 0.0, nan]
    """

    kind: Kind = "classes"
    low, step = 0.0, 1.0

    def __init__(
        self, classes: Sequence[str], column: str = "event", others: Literal["refuse", "ignore"] = "refuse"
    ) -> None:
        self.classes, self.column, self.others = [str(name) for name in classes], column, others
        if len(set(self.classes)) < len(self.classes) or len(self.classes) < 2:
            raise ValueError(
                f"label.classes must be at least two different words, got {self.classes}. Set label.classes."
            )

    @property
    def high(self) -> float:
        """The last class."""
        return float(len(self.classes) - 1)

    def __call__(self, events: pl.DataFrame) -> NDArray[np.float32]:
        """E rows -> (E,).

        Raises:
            ValueError: a word that is no class.
        """
        words = read_column(events, self.column).cast(pl.String)
        unseen = sorted(set(words.drop_nulls().unique().to_list()) - set(self.classes))
        if unseen and self.others == "refuse":
            raise ValueError(
                f"label.classes must name every word of {self.column}, and {', '.join(unseen[:3])} is not among "
                f"{', '.join(self.classes)}. Add it, or set label.others=ignore."
            )
        place = {name: float(number) for number, name in enumerate(self.classes)}
        codes = words.replace_strict(place, default=None, return_dtype=pl.Float32)
        return codes.fill_null(float("nan")).to_numpy()

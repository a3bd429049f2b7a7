"""Rating: the number itself.

Relations: ``at_least`` cuts it in two.
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
class Rating:
    """The column's number, none where it is empty.

    Args:
        column: of the interactions.
        low: smallest number there may be.
        high: largest; predictions are cut to ``low..high``.
        step: distance between two neighbouring numbers; None where there may be any between.

    Raises:
        ValueError: an empty range, or a step that does not divide it.

    Example:
        >>> Rating()(pl.DataFrame({"rating": [1, 5, None]})).tolist()
        [1.0, 5.0, nan]
    """

    column: str = "rating"
    low: float = 1.0
    high: float = 5.0
    step: float | None = 1.0
    kind: ClassVar[Kind] = "number"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"label.high must be above label.low ({self.low}), got {self.high}. Set label.high.")
        steps = 1.0 if self.step is None else (self.high - self.low) / self.step if self.step else 0.0
        if steps < 1 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"label.step must divide {self.low}..{self.high} into equal parts, got {self.step}. Set label.step, "
                "or null."
            )

    def __call__(self, events: pl.DataFrame) -> NDArray[np.float32]:
        """E rows -> (E,).

        Raises:
            ValueError: a number out of range, or between two steps.
        """
        numbers = read_numbers(events, self.column)
        found: NDArray[np.float64] = numbers.fill_null(float("nan")).to_numpy()
        wrong = (found < self.low) | (found > self.high)
        if wrong.any():
            raise ValueError(
                f"labels must lie in label.low..label.high ({self.low}..{self.high}), and {wrong.sum()} of "
                f"{len(found)} do not (first: {found[wrong][0]}). Set label.low and label.high."
            )
        if self.step is not None:
            place = (found - self.low) / self.step
            between = np.abs(place - np.round(place)) > 1e-6
            if between.any():
                raise ValueError(
                    f"labels must be label.low ({self.low}) plus steps of {self.step}, and {between.sum()} are not "
                    f"(first: {found[between][0]}). Set label.step, or null for any number."
                )
        return found.astype(np.float32)

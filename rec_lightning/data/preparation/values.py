"""A filter by value: events whose column lies in a range or among some values stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rec_lightning.data.preparation.columns import check_columns


@dataclass(frozen=True)
class Values:
    """Keeps events by the value of one column; events without a value go.

    Args:
        column: of the interactions.
        least: smallest value kept, or null.
        most: largest value kept, or null.
        among: values kept, or null for all.

    Raises:
        ValueError: nothing is asked for, or ``least`` is above ``most``.

    Example:
        >>> Values("rating", least=4)(pl.DataFrame({"rating": [3, 4, None, 5]}))["rating"].to_list()
        [4, 5]
    """

    column: str
    least: float | None = None
    most: float | None = None
    among: Sequence[str | int | float] | None = None

    def __post_init__(self) -> None:
        if self.least is None and self.most is None and self.among is None:
            raise ValueError(f"data.prepare: a filter of {self.column} needs least, most or among, got none. Set one.")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(
                f"data.prepare: least must be at most most, got {self.least} and {self.most} for {self.column}."
            )

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order.

        Raises:
            ValueError: there is no such column, or its values cannot be compared so.
        """
        check_columns(events, [self.column], "values.column")
        value = pl.col(self.column)
        rules = [
            *([] if self.least is None else [value >= self.least]),
            *([] if self.most is None else [value <= self.most]),
            *([] if self.among is None else [value.is_in(list(self.among))]),
        ]
        try:
            return events.filter(pl.all_horizontal(rules).fill_null(False))
        except pl.exceptions.PolarsError as error:
            raise ValueError(
                f"data.prepare: {self.column} holds {events[self.column].dtype}, which cannot be compared with the "
                f"filter's values ({str(error).partition(chr(10))[0]}). Give values of that type."
            ) from error

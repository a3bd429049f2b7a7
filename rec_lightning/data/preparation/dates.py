"""A filter by date: events of a period stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from rec_lightning.contracts import TIMESTAMP
from rec_lightning.data.preparation.columns import check_columns


@dataclass(frozen=True)
class Dates:
    """Keeps events with ``start <= time < end``.

    Args:
        start: date such as ``2014-01-31`` or date and time, UTC unless it says otherwise; null for no limit.
        end: the first moment that is left out, or null.

    Raises:
        ValueError: neither is given, one is no date, or they are in the wrong order.

    Example:
        >>> Dates(end="1970-01-02")(pl.DataFrame({"timestamp": [0, 86_399, 86_400]})).height
        2
    """

    start: str | None = None
    end: str | None = None

    def __post_init__(self) -> None:
        if self.start is None and self.end is None:
            raise ValueError("data.prepare.dates needs start or end, got neither. Set one.")
        limits = [seconds(text, f"data.prepare.dates.{n}") for n, text in (("start", self.start), ("end", self.end))]
        if None not in limits and limits[0] >= limits[1]:  # type: ignore[operator]
            raise ValueError(f"data.prepare.dates.start must be before end, got {self.start} and {self.end}.")

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order.

        Raises:
            ValueError: the data have no time.
        """
        check_columns(events, [TIMESTAMP], "dates")
        time, start, end = pl.col(TIMESTAMP), seconds(self.start, "start"), seconds(self.end, "end")
        rules = [*([] if start is None else [time >= start]), *([] if end is None else [time < end])]
        return events.filter(pl.all_horizontal(rules))


def seconds(text: str | None, option: str) -> float | None:
    """A date as seconds since 1970, UTC unless it says otherwise.

    Raises:
        ValueError: it is no date.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{option} must be a date such as 2014-01-31, got {text!r}. Set {option}.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

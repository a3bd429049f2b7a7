"""Strings as ids and numbers, without losing what an id says.

An id becomes a whole number only where that loses nothing for any row: ``007`` and ``7`` stay two items.
"""

from __future__ import annotations

import polars as pl

_SECONDS = (3e8, 4e9)  # 1979 to 2096; as milliseconds the 4th of January to the 16th of February 1970
_FAR = 1e11  # seconds until the year 5138, milliseconds until 1973
_PLAIN = r"^(0|-?[1-9][0-9]{0,17})$"  # a whole number as one would write it


def as_ids(column: pl.Series) -> pl.Series:
    """Ids as int64 where every one is a plain whole number, else as they are.

    Example:
        >>> as_ids(pl.Series(["7", "10", None])).to_list(), as_ids(pl.Series(["7", "07"])).to_list()
        ([7, 10, None], ['7', '07'])
    """
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    if column.dtype != pl.String:
        return column.cast(pl.String)
    return column.cast(pl.Int64) if column.str.contains(_PLAIN).fill_null(True).all() else column


def ids_as(column: pl.Series, kind: pl.DataType) -> pl.Series:
    """Ids of a table of items or users in the type they have in the interactions; null where they cannot be of it.

    Example:
        >>> ids_as(pl.Series(["7", "07", "x"]), pl.Int64()).to_list(), ids_as(pl.Series([7]), pl.String()).to_list()
        ([7, None, None], ['7'])
    """
    if column.dtype == pl.String and kind.is_integer():
        column = column.set(~column.str.contains(_PLAIN).fill_null(False), None)
    return column.cast(kind, strict=False)


def as_plain(column: pl.Series) -> pl.Series:
    """A field of an item or a user: a number where every cell is one, else as it is.

    Example:
        >>> as_plain(pl.Series(["7", "9.50", None])).to_list(), as_plain(pl.Series(["02460", "7"])).to_list()
        ([7.0, 9.5, None], ['02460', '7'])
    """
    if column.dtype != pl.String or column.null_count() == len(column):
        return column
    plain = column.str.contains(r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$").fill_null(True)
    return as_numbers(column) if plain.all() else column


def as_numbers(column: pl.Series) -> pl.Series:
    """Numbers as int64 where all are whole, else float64; what is no finite number becomes null.

    Example:
        >>> as_numbers(pl.Series(["1", "2.0"])).to_list(), as_numbers(pl.Series(["1.5", "x"])).to_list()
        ([1, 2], [1.5, None])
    """
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("s")
    if column.dtype.is_integer() or column.dtype == pl.Boolean:
        return column.cast(pl.Int64)
    if column.dtype == pl.String:
        column = column.str.strip_chars()
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return whole
    value = column.cast(pl.Float64, strict=False)
    value = value.set(value.is_nan() | value.is_infinite(), None)
    whole = value.cast(pl.Int64, strict=False)
    same = whole.cast(pl.Float64) == value
    return whole if same.all() and whole.null_count() == value.null_count() else value


def as_seconds(column: pl.Series, unit: str) -> pl.Series:
    """Times as seconds since 1970, with their fractions where there are any, since these sort a user's events.

    Args:
        column: numbers or texts, or dates and times, which have a unit of their own.
        unit: ``seconds``, ``milliseconds``, or ``text`` for dates such as ``2014-01-31 12:00:00``.

    Raises:
        ValueError: numbers that look like the other unit.

    Example:
        >>> as_seconds(pl.Series(["86400000", "x"]), "milliseconds").to_list()
        [86400, None]
        >>> as_seconds(pl.Series(["1970-01-02 00:00:00.5"]), "text").to_list()
        [86400.5]
    """
    if unit == "text" and column.dtype == pl.String:
        try:
            column = column.str.to_datetime(strict=False, time_unit="us")
        except pl.exceptions.ComputeError:  # not one looks like a date
            return pl.Series(column.name, [None] * len(column), pl.Int64)
    if column.dtype.is_temporal():
        return as_numbers(column.cast(pl.Datetime("us")).dt.epoch("us") / 1_000_000)
    value = as_numbers(column)
    _check_unit(value, unit)
    return as_numbers(value / 1000) if unit == "milliseconds" else value


def _check_unit(times: pl.Series, unit: str) -> None:
    middle = times.median()
    if not isinstance(middle, float):  # no times
        return
    if unit == "milliseconds" and _SECONDS[0] < middle < _SECONDS[1]:
        place, other = "in the first weeks of 1970", "seconds"
    elif unit == "seconds" and middle > _FAR:
        place, other = "after the year 5138", "milliseconds"
    else:
        return
    raise ValueError(
        f"data.source.time={unit} puts the middle one of the times ({middle:.0f}) {place}. Set "
        f"data.source.time={other}, or name the column as order where it tells no time."
    )

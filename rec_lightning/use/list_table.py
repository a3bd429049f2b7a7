"""Lists of another program as one table: user, item and the place of the item in the user's list.

A file has a row for each item (``user, item`` and ``rank`` or ``score``) or for each user (``user, items``, the best
first, and perhaps ``scores``). Where scores are known and fall along every list, equal ones count against the target,
as in a run; scores of a list that was re-ranked say nothing of that. What contradicts itself is refused with the number
of rows and the first of them.

Relations: ``outside`` measures them; ``lists_file`` writes such files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from rec_lightning.contracts import ITEM, USER
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.use.tables import read_table

Duplicates = Literal["refuse", "first"]


def read_lists(path: str, columns: Mapping[str, str], duplicates: Duplicates) -> pl.DataFrame:
    """Columns ``user, item`` as texts, ``place`` from 1, and ``worst``, the place behind all that score as high.

    Args:
        path: of the file.
        columns: what ``user, item, rank, score`` are called in it.
        duplicates: what is done about an item that is twice in a list.

    Raises:
        Refusal: the file cannot be read, or its lists contradict themselves.
    """
    table = read_table(path, [columns[USER]], "file")
    table = _long(table, columns, path)
    gaps = table.filter(pl.col(USER).is_null() | pl.col(ITEM).is_null()).height
    if gaps:
        raise Refusal(f"file must have a user and an item in every row, and {gaps} rows of {path} lack one. Mend it.")
    ids = [pl.col(name).cast(pl.String) for name in (USER, ITEM)]
    table = table.select(*ids, *(_numbers(table[name], path) for name in ("rank", "score") if name in table.columns))
    order = "rank" if "rank" in table.columns else "score"
    if order == "rank":
        _check_ranks(table, path)
    table = table.sort(USER, order, descending=[False, order == "score"], maintain_order=True)
    table = _once(table, duplicates, path).with_columns(place=pl.int_range(1, pl.len() + 1).over(USER))
    worst = pl.col("place").max().over(USER, "score") if _falls(table) else pl.col("place")
    return table.select(USER, ITEM, "place", worst=worst)


def _falls(table: pl.DataFrame) -> bool:
    # whether scores are known and fall along every list
    if "score" not in table.columns:
        return False
    rises = (pl.col("score") > pl.col("score").shift(1)) & (pl.col(USER) == pl.col(USER).shift(1))
    return not table.select(rises.any()).item()


def _long(table: pl.DataFrame, columns: Mapping[str, str], path: str) -> pl.DataFrame:
    if columns[ITEM] not in table.columns and isinstance(table.schema.get("items"), pl.List):
        lists = table.select(pl.col(columns[USER]).alias(USER), pl.col("items").alias(ITEM), *_scores(table))
        long = lists.filter(pl.col(ITEM).list.len() > 0).explode(*lists.columns[1:])
        return long.with_columns(rank=pl.int_range(1, pl.len() + 1).over(USER))
    told = [name for name in ("rank", "score") if columns[name] in table.columns]
    if columns[ITEM] not in table.columns or not told:
        raise Refusal(
            f"file needs the columns {columns[ITEM]} and {columns['rank']} or {columns['score']} (or a list items for "
            f"each user), and {path} has {', '.join(table.columns)}. Set columns.item, columns.rank or columns.score."
        )
    return table.select(pl.col(columns[name]).alias(name) for name in (USER, ITEM, *told))


def _scores(table: pl.DataFrame) -> list[pl.Expr]:
    # of lists, where there is one for each item
    if not isinstance(table.schema.get("scores"), pl.List):
        return []
    same = table.select((pl.col("scores").list.len() == pl.col("items").list.len()).all()).item()
    return [pl.col("scores").alias("score")] if same else []


def _numbers(column: pl.Series, path: str) -> pl.Series:
    number = column.cast(pl.Float64, strict=False).fill_nan(None)
    if number.null_count():
        row = int(number.is_null().arg_true()[0])
        raise Refusal(
            f"{column.name} must be a number in every row, and {number.null_count()} of {len(number)} rows of {path} "
            f"have none (first: row {row + 1}, {column[row]!r}). Mend the file."
        )
    return number


def _check_ranks(table: pl.DataFrame, path: str) -> None:
    wrong = table.filter((pl.col("rank") < 1) | (pl.col("rank") != pl.col("rank").floor()))
    if wrong.height:
        raise Refusal(
            f"rank must be a whole number from 1, and {wrong.height} rows of {path} have another (first: user "
            f"{wrong[USER][0]}, {wrong['rank'][0]:g}). Add 1 where ranks begin with 0."
        )
    twice = table.filter(pl.struct(USER, "rank").is_duplicated())
    if twice.height:
        raise Refusal(
            f"a rank must be given once in a list, and {twice.height} rows of {path} share theirs (first: user "
            f"{twice[USER][0]}, rank {twice['rank'][0]:g}). Mend the file."
        )


def _once(table: pl.DataFrame, duplicates: Duplicates, path: str) -> pl.DataFrame:
    twice = table.filter(pl.struct(USER, ITEM).is_duplicated())
    if not twice.height:
        return table
    if duplicates == "refuse":
        raise Refusal(
            f"an item must be once in a list, and {twice.height} rows of {path} repeat theirs (first: user "
            f"{twice[USER][0]}, item {twice[ITEM][0]}). Mend the file, or set duplicates=first."
        )
    return table.unique([USER, ITEM], keep="first", maintain_order=True)

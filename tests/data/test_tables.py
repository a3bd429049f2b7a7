from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_lightning.contracts import Tables
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.data.tables import fingerprint, to_sequences

ITEMS = pl.DataFrame({"item": [10, 20, 30, 40], "title": ["a", "b", "c", "never seen"]})


USERS = pl.DataFrame({"user": [3, 1, 9], "age": [30, 10, 90]})


def tables(
    rows: list[tuple[object, object, object]], items: pl.DataFrame = ITEMS, users: pl.DataFrame = USERS
) -> Tables:
    frame = pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row")
    return Tables(frame, items, users, "tiny", "none", "here", "f")


def test_by_hand() -> None:
    rows = [(2, 30, 5), (1, 20, 9), (1, 10, 3), (2, 10, 4), (1, 30, 7)]
    sequences, catalog = to_sequences(tables(rows), LeaveOneOut())
    assert sequences.users.to_list() == [1, 2]
    assert sequences.offsets.tolist() == [0, 3, 5]
    assert sequences.items.tolist() == [1, 3, 2, 1, 3]
    assert sequences.role.tolist() == [0, 1, 2, 0, 2]
    assert catalog.items["title"].to_list() == ["a", "b", "c"]  # row i is item i + 1, and 40 has no interaction
    assert catalog.popularity.tolist() == [0, 2, 0, 0]  # training events only
    assert catalog.users.rows() == [(1, 10), (2, None)]  # row u is row u of the sequences; 2 is not described
    assert sequences.timestamp is not None
    assert sequences.timestamp.tolist() == [3, 7, 9, 4, 5]


def test_times_are_whole_seconds_and_an_order_is_none() -> None:
    timed = tables([(1, 10, 2.9), (1, 20, -0.5), (1, 30, 7.0)])
    sequences, _ = to_sequences(timed, LeaveOneOut())
    assert sequences.timestamp is not None
    assert sequences.timestamp.tolist() == [-1, 2, 7]
    ordered = replace(timed, interactions=timed.interactions.rename({"timestamp": "order"}))
    assert to_sequences(ordered, LeaveOneOut())[0].timestamp is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=60))
def test_equal_times_keep_the_order_of_the_source(pairs: list[tuple[int, int]]) -> None:
    # each row has an item of its own, so that the order is seen
    rows = [(user, place, time) for place, (user, time) in enumerate(pairs)]
    sequences, catalog = to_sequences(tables(rows, ITEMS.clear()), LeaveOneOut())
    wanted = sorted(rows, key=lambda row: (row[0], row[2]))  # Python's sort is stable
    assert catalog.items["item"][sequences.items - 1].to_list() == [item for _, item, _ in wanted]


def test_ids_of_any_type_and_items_without_a_row() -> None:
    rows = [("u2", "B00", 1), ("u1", "A99", 1), ("u1", "B00", 2), ("u1", "C", 3)]
    items = pl.DataFrame({"item": ["C", "B00"], "title": ["sea", "bee"]})
    users = pl.DataFrame({"user": ["u2", "u9"], "city": ["Rome", "Ulm"]})
    sequences, catalog = to_sequences(tables(rows, items, users), LeaveOneOut())
    assert sequences.users.to_list() == ["u1", "u2"]
    assert catalog.users.rows() == [("u1", None), ("u2", "Rome")]
    assert catalog.items.rows() == [("A99", None), ("B00", "bee"), ("C", "sea")]
    assert sequences.items.tolist() == [1, 2, 3, 2]
    bare = to_sequences(tables(rows, pl.DataFrame({"item": []}), pl.DataFrame({"user": []})), LeaveOneOut())[1]
    assert bare.items.columns == ["item"]
    assert bare.users.rows() == [("u1",), ("u2",)]


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (tables([]), "tiny has no interactions: nothing to train on. Check the file and its filters."),
        (
            tables([(1, 10, 1)], pl.concat([ITEMS, ITEMS[:2]])),
            "the item table of tiny must hold each id once, and 2 ids come twice or more (first: 10). Remove",
        ),
        (
            tables([(1, 10, 1)], users=USERS[[0, 1, 0]]),
            "the user table of tiny must hold each id once, and 1 ids come twice or more (first: 3). Remove",
        ),
        (
            tables([("1", 10, 1)]),
            "user ids must have one type, and those of tiny are String in the interactions and Int64 in the user table",
        ),
        (
            tables([(1, 10, 1), (None, 10, 2)]),
            "user must be in every row, and 1 of 2 rows of the interactions of tiny have none (first: row 2). Fill",
        ),
        (tables([(1, None, 1), (1, 10, 2)]), "item must be in every row, and 1 of 2 rows"),
        (tables([(1, 10, float("nan"))]), "timestamp must be in every row, and 1 of 1 rows"),
        (tables([(1, 10, 1)], pl.DataFrame({"item": [None, 10]})), "1 of 2 rows of the items of tiny have none"),
        (
            tables([(1, "10", 1)]),
            "item ids must have one type, and those of tiny are String in the interactions and Int64 in the item table",
        ),
        (
            replace(tables([(1, 10, 1)]), interactions=pl.DataFrame({"user": [1], "time": [1]})),
            "the interactions of tiny need the columns user, item, and item is not among user, t",
        ),
    ],
)
def test_tables_that_cannot_be_numbered(broken: Tables, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        to_sequences(broken, LeaveOneOut())


FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "yz"], "c": [["p", "q"], [], None]})


def test_equal_content_has_an_equal_fingerprint() -> None:
    again = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    assert fingerprint(FRAME) == fingerprint(again) == fingerprint(FRAME.clone())
    # a known value: the same on every machine and in every version, or caches and manifests lie
    assert fingerprint(FRAME)[:16] == "022985aa2ed09603"


@pytest.mark.parametrize(
    "changed",
    [
        FRAME.with_columns(a=pl.Series([1, 2, 4])),
        FRAME.with_columns(pl.col("a").cast(pl.Int32)),
        FRAME.rename({"a": "z"}),
        FRAME[[1, 0, 2]],
        FRAME.with_columns(b=pl.Series(["x", "", "yz"])),
        FRAME.with_columns(b=pl.Series(["xy", None, "z"])),
        FRAME.with_columns(c=pl.Series([["pq"], [], None])),
        FRAME.with_columns(c=pl.Series([["p"], ["q"], None])),
        FRAME.with_columns(c=pl.Series([["p", "q"], [], []], dtype=pl.List(pl.String))),
        FRAME.with_columns(c=pl.Series([["p", "q"], None, []], dtype=pl.List(pl.String))),
        FRAME.with_columns(c=pl.Series([["p", None], [], None])),
    ],
)
def test_changed_content_has_another_fingerprint(changed: pl.DataFrame) -> None:
    assert fingerprint(changed) != fingerprint(FRAME)


def test_rows_moved_between_frames_change_the_fingerprint() -> None:
    assert fingerprint(FRAME, FRAME.clear()) != fingerprint(FRAME.clear(), FRAME)
    assert fingerprint(FRAME[["a", "b"]], FRAME[["c"]]) != fingerprint(FRAME[["a"]], FRAME[["b", "c"]])


def test_numbers_with_gaps_and_booleans() -> None:
    frames = [pl.DataFrame({"a": values}) for values in ([1, None], [None, 1], [1, 0], [True, False], [True, None])]
    assert len({fingerprint(frame) for frame in frames}) == 5

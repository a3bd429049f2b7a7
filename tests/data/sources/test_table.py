from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_lightning.data.sources.table import Table
from rec_lightning.data.tables import sort_events

COLUMNS = {"user": "uid", "item": "sku", "timestamp": "when", "rating": "stars", "shop": "shop"}
FRAME = pl.DataFrame(
    {
        "stars": [5.0, 3.5, None],
        "sku": ["A1", "B2", "A1"],
        "unused": ["x", "y", "z"],
        "when": [100, 200, 300],
        "uid": [7, 7, 9],
        "shop": ["de", "at", "de"],
    }
)


def written(frame: pl.DataFrame, file: Path) -> Path:
    plain = file.with_suffix("") if file.suffix == ".gz" else file
    if plain.suffix == ".parquet":
        frame.write_parquet(plain)
    elif plain.suffix == ".jsonl":
        frame.write_ndjson(plain)
    else:
        frame.write_csv(plain, separator="\t" if plain.suffix == ".tsv" else ",")
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return file


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.tsv.gz", "a.parquet", "a.jsonl", "a.jsonl.gz"])
def test_every_format_gives_the_same_table(name: str, tmp_path: Path) -> None:
    tables = Table(str(written(FRAME, tmp_path / name)), COLUMNS).fetch()
    assert tables.interactions.columns == ["user", "item", "timestamp", "rating", "shop"]
    assert tables.interactions.rows() == [
        (7, "A1", 100, 5.0, "de"),
        (7, "B2", 200, 3.5, "at"),
        (9, "A1", 300, None, "de"),
    ]
    assert tables.interactions.schema["user"] == tables.interactions.schema["timestamp"] == pl.Int64
    assert (tables.items.columns, tables.items.height) == (["item"], 0)


def test_the_order_of_the_mapping_does_not_matter(tmp_path: Path) -> None:
    file = written(FRAME, tmp_path / "a.tsv")
    for order in (COLUMNS, dict(reversed(COLUMNS.items()))):
        frame = Table(str(file), order).fetch().interactions
        assert frame.select(list(COLUMNS)).row(1) == (7, "B2", 200, 3.5, "at")


def test_a_glob_of_shards_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, part in (("b", FRAME[1:]), ("a", FRAME[:1])):
        written(part, tmp_path / f"{name}.csv")
    source = Table(str(tmp_path / "*.csv"), COLUMNS)
    assert source.fetch().interactions["timestamp"].to_list() == [100, 200, 300]
    before = source.identity()
    written(FRAME[:2], tmp_path / "a.csv")
    assert source.identity() != before


def test_items_and_users_beside_the_interactions(tmp_path: Path) -> None:
    written(FRAME, tmp_path / "a.csv")
    written(pl.DataFrame({"id": ["A1", "B2"], "name": ["ant, red", 'b"ee']}), tmp_path / "i.csv")
    written(pl.DataFrame({"id": [7, 9], "age": [20, 30]}), tmp_path / "u.csv")
    source = Table(
        str(tmp_path / "a.csv"),
        COLUMNS,
        items=str(tmp_path / "i.csv"),
        item_fields={"item": "id", "title": "name"},
        users=str(tmp_path / "u.csv"),
        user_fields={"user": "id", "age": "age"},
    )
    tables = source.fetch()
    assert source.item_columns == ("item", "title")
    assert tables.items.rows() == [("A1", "ant, red"), ("B2", 'b"ee')]
    assert tables.users.rows() == [(7, 20), (9, 30)]
    assert source.user_columns == ("user", "age")


@pytest.mark.parametrize(
    ("unit", "cell", "seconds"),
    [("seconds", "86400", 86400), ("milliseconds", "86400000", 86400), ("text", "1970-01-02", 86400),
     ("text", "1970-01-02 00:00:01", 86401), ("seconds", "1.5", 1.5)],
)  # fmt: skip
def test_units_of_time(unit: Any, cell: str, seconds: float, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"u,i,t\n1,2,{cell}\n")
    source = Table(str(tmp_path / "a.csv"), {"user": "u", "item": "i", "timestamp": "t"}, time=unit)
    assert source.fetch().interactions["timestamp"].to_list() == [seconds]


def test_null_leaves_a_column_out(tmp_path: Path) -> None:
    source = Table(str(written(FRAME, tmp_path / "a.csv")), COLUMNS | {"rating": None, "timestamp": None})
    assert source.fetch().interactions.columns == ["user", "item", "shop"]


def test_ids_keep_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,i\n1,007\n2,7\n")
    frame = Table(str(tmp_path / "a.csv"), {"user": "u", "item": "i"}).fetch().interactions
    assert frame.rows() == [(1, "007"), (2, "7")]


BROKEN = 'u,i,t\n1,a,10\n2,b\n3,c,30,more\n4,,40\n5,e,soon\n6,"f",60\n'
COLS = {"user": "u", "item": "i", "timestamp": "t"}


def test_broken_rows_are_counted_and_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(BROKEN)
    with pytest.raises(ValueError, match="broken") as caught:
        Table(str(tmp_path / "a.csv"), COLS, max_broken=0.5).fetch()
    assert str(caught.value) == (
        "at most 0.5 of the rows may be broken, and 4 of 6 are (a.csv line 3: t is empty; a.csv line 4: another number "
        "of fields than the header; a.csv line 5: i is empty). Mend them, or raise data.source.max_broken."
    )


def test_broken_rows_under_the_share_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(BROKEN)
    frame = Table(str(tmp_path / "a.csv"), COLS, max_broken=0.7).fetch().interactions
    assert frame.rows() == [(1, "a", 10), (6, "f", 60)]


def test_a_row_with_too_many_fields_is_broken_wherever_the_columns_lie(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,i,t,more\n1,a,10,x\n2,b,20,x,y,z\n")
    with pytest.raises(ValueError, match=r"and 1 of 2 are \(a\.csv line 3: another number of fields than the header\)"):
        Table(str(tmp_path / "a.csv"), COLS).fetch()


def test_times_of_which_not_one_is_a_date(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,i,t\n1,a,10\n2,b,20\n")
    with pytest.raises(
        ValueError, match=r"and 2 of 2 are \(a\.csv line 2: t is '10', no date \(data\.source\.time=text\); a"
    ):
        Table(str(tmp_path / "a.csv"), COLS, time="text").fetch()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("option", ["seconds", "milliseconds", "text"])
def test_dates_and_times_of_parquet_have_a_unit_of_their_own(unit: Any, option: Any, tmp_path: Path) -> None:
    when = [datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 1, 500_000)]
    frame = pl.DataFrame({"u": [1, 1], "i": [1, 2], "t": when})
    zoned = pl.col("t").cast(pl.Datetime(unit)).dt.replace_time_zone("Asia/Tokyo")
    for name, times, start in (
        ("a", pl.col("t").cast(pl.Datetime(unit)), 1_577_836_800),
        ("b", zoned, 1_577_836_800 - 9 * 3600),
    ):
        frame.with_columns(times).write_parquet(tmp_path / f"{name}.parquet")
        found = Table(str(tmp_path / f"{name}.parquet"), COLS, time=option).fetch().interactions["timestamp"]
        assert found.to_list() == [start, start + 1.5]
    frame.with_columns(pl.col("t").cast(pl.Date)).write_parquet(tmp_path / "c.parquet")
    assert Table(str(tmp_path / "c.parquet"), COLS, time=option).fetch().interactions["timestamp"][1] == 1_577_836_800


def test_what_happens_within_a_second_keeps_its_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,i,t\n1,c,1700000000900\n1,a,1700000000100\n1,b,1700000000500\n")
    tables = Table(str(tmp_path / "a.csv"), COLS, time="milliseconds").fetch()
    assert sort_events(tables.interactions)["item"].to_list() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("option", "times", "told"),
    [
        ("seconds", "1700000000000", "(1700000000000) after the year 5138. Set data.source.time=milliseconds"),
        ("milliseconds", "1700000000", "(1700000000) in the first weeks of 1970. Set data.source.time=seconds"),
    ],
)
def test_the_other_unit_is_seen(option: Any, times: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"u,i,t\n1,a,3\n1,b,{times}\n2,a,{times}\n")
    text = f"data.source.time={option} puts the middle one of the times {told}, or name the column as order"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        Table(str(tmp_path / "a.csv"), COLS, time=option).fetch()


@pytest.mark.parametrize(
    ("option", "time"), [("seconds", 3), ("seconds", 4_000_000_000), ("milliseconds", 3), ("milliseconds", 10**12)]
)
def test_times_that_may_be_are_left_alone(option: Any, time: int, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"u,i,t\n1,a,{time}\n")
    found = Table(str(tmp_path / "a.csv"), COLS, time=option).fetch().interactions["timestamp"][0]
    assert found == time / (1000 if option == "milliseconds" else 1)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is a folder\. Set a pattern such as .*/\*\.csv\.$"):
        Table(str(tmp_path), COLS).fetch()


def test_broken_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"u": 1, "i": "a", "t": 5}\n{"u": 2, "i"\n[3]\n{"u": 4, "t": 6}\n')
    with pytest.raises(ValueError, match=r"and 3 of 4 are \(a.jsonl line 2: another .*; a.jsonl line 4: i is empty\)"):
        Table(str(tmp_path / "a.jsonl"), COLS).fetch()
    assert Table(str(tmp_path / "a.jsonl"), COLS, max_broken=0.9).fetch().interactions.rows() == [(1, "a", 5)]


def options(**changed: Any) -> Callable[[Path], Table]:
    return lambda place: Table(**({"path": str(place / "a.csv"), "columns": COLS} | changed))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (options(columns={"user": "u"}), "data.source.columns must say which column is the item, got {'user': 'u'}. "),
        (options(items="x"), "data.source.item_fields must say which column is the item, got nothing. Set "),
        (options(item_fields={"item": "x"}), "data.source.item_fields has no effect without a file. Set"),
        (options(max_broken=1.0), "data.source.max_broken must be in 0..1, 1 excluded, got 1.0. Set data.source."),
        (options(path="no/such.csv"), "a file or a pattern that matches files is needed, and no/such.csv is neither."),
        (options(columns=COLS | {"rating": "strs"}), "the column strs must be in "),
        (options(columns=COLS | {"rating": "stars "}), "and its columns are u, i, t, stars; nearest: stars. Set data."),
    ],
)
def test_what_cannot_be_read(make: Callable[[Path], Table], text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,i,t,stars\n1,2,3,4\n")
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(text)):
        make(tmp_path).fetch()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"x", "the ending of a file must tell its format (.csv, .tsv, "),
        ("a.parquet", b"x" * 20, "a.parquet cannot be read as parquet ("),
        ("a.csv", b"u,i,t\n\xff\xfe,1,2\n", "a.csv cannot be read as csv ("),
        ("a.csv", b"", "a.csv must have a header and rows, and it is empty. Get it again."),
        (
            "a.csv",
            b"u;i;t\n1;2;3\n",
            "a.csv must be separated by ',', as its ending says, and its header is 'u;i;t': 3 names",
        ),
        ("a.csv", b"u,i,t,u\n1,2,3,4\n", "a.csv once, and its header has it twice. Rename one."),
        (
            "a.csv.gz",
            gzip.compress(mtime=0, data=b"u,i,t\n" + b"1,2,3\n" * 99)[:-12],
            "a.csv.gz cannot be read as csv (",
        ),
        ("a.csv.gz", b"no gzip", "a.csv.gz cannot be read as csv ("),
        ("a.jsonl.gz", gzip.compress(mtime=0, data=b'{"u":1}\n' * 99)[:-12], "a.jsonl.gz cannot be read as jsonl ("),
    ],
)
def test_files_that_are_not_what_they_say(name: str, content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(text)):
        Table(str(tmp_path / name), COLS).fetch()

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rec_lightning.data.sources.atomic import AtomicFiles
from rec_lightning.data.sources.movielens import _WHEEL, MovieLens100K
from rec_lightning.downloads import fetch_wheel


def written(place: Path) -> Path:
    (place / "x.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\t07\t4.5\t10\nu2\t8\t3\t20\n"
    )
    (place / "x.item").write_text(
        "item_id:token\ttitle:token_seq\tclass:token_seq\tprice:float\n07\tA B\tx y\t1.5\n8\tC\tz\t2\n"
    )
    return place / "x.inter"


def test_by_hand(tmp_path: Path) -> None:
    source = AtomicFiles(str(written(tmp_path)))
    tables = source.fetch()
    assert tables.name == "x"
    assert source.item_columns == tuple(tables.items.columns) == ("item", "title", "class", "price")
    assert tables.interactions.columns == ["user", "item", "rating", "timestamp"]
    assert tables.interactions.rows() == [("u1", "07", 4.5, 10), ("u2", "8", 3.0, 20)]
    assert tables.items.rows() == [("07", "A B", ["x", "y"], 1.5), ("8", "C", ["z"], 2.0)]
    assert source.user_columns == tuple(tables.users.columns) == ("user",)
    (tmp_path / "x.user").write_text("user_id:token\tage:float\nu2\t20\nu1\t30\n")
    assert source.fetch().users.rows() == [("u2", 20), ("u1", 30)]
    assert source.user_columns == ("user", "age")


def test_users_without_events_may_have_other_ids(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\n1\t5\n")
    (tmp_path / "x.user").write_text("user_id:token\tage:float\nx\t20\n1\t30\n")
    assert AtomicFiles(str(tmp_path / "x.inter")).fetch().users.rows() == [(1, 30)]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("x.inter", "user_id\titem_id\n1\t2\n", "must be name:type, types token, token_seq, float and float_seq."),
        (
            "x.inter",
            "user_id:token\tb:float\n1\t2\n",
            "must have the column item_id:token, and has user_id, b. Mend it.",
        ),
        (
            "x.inter",
            "user_id:token\titem_id:token\n1\n1\t2\t3\n",
            "x.inter line 2: no user or item; x.inter line 3: another",
        ),
    ],
)
def test_files_that_are_not_of_the_format(name: str, content: str, text: str, tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=re.escape(text)):
        AtomicFiles(str(file)).fetch()


def test_a_path_that_is_no_inter_file(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"must be a file that ends in \.inter, and .* is none\. Set data\.source"
    ):
        AtomicFiles(str(tmp_path)).fetch()


@pytest.mark.net
def test_agrees_with_the_reader_of_movielens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REC_CACHE")  # so that it is downloaded once for all test runs
    folder = fetch_wheel(_WHEEL)
    mine = AtomicFiles(str(folder / "ml-100k.inter")).fetch()
    theirs = MovieLens100K(str(folder)).fetch()
    assert mine.interactions.select(theirs.interactions.columns).equals(theirs.interactions)
    assert mine.items["item"].equals(theirs.items["item"])

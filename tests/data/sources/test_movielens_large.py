from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.data.sources import movielens_large
from rec_lightning.data.sources.movielens_large import MovieLens, read_movielens
from rec_lightning.data.tables import fingerprint


def dat(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "ratings.dat").write_text("1::2::4.5::100\n1::1::3::90\n")
    (place / "movies.dat").write_text(
        "1::Toy Story (1995)::Animation|Comedy\n2::Nothing, a: Film::(no genres listed)\n"
    )
    return place


def csv(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.5,100\n1,1,3.0,90\n")
    (place / "movies.csv").write_text(
        'movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n2,"Nothing, a: Film",(no genres listed)\n'
    )
    return place


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder.parent / "x.zip", "w") as archive:
        for part in folder.iterdir():
            archive.write(part, f"{folder.name}/{part.name}")
    return folder.parent / "x.zip"


@pytest.mark.parametrize("layout", [dat, csv])
@pytest.mark.parametrize("pack", [lambda p: p, zipped])
def test_both_layouts_give_the_same_tables(
    layout: Callable[[Path], Path], pack: Callable[[Path], Path], tmp_path: Path
) -> None:
    interactions, items, users = read_movielens(pack(layout(tmp_path / "ml")))
    assert interactions.columns == ["user", "item", "timestamp", "rating"]
    assert interactions.rows() == [(1, 2, 100, 4.5), (1, 1, 90, 3.0)]
    assert items.rows() == [(1, "Toy Story", "1995", ["Animation", "Comedy"]), (2, "Nothing, a: Film", None, [])]
    assert users.columns == ["user"]
    assert fingerprint(interactions, items) == fingerprint(*read_movielens(csv(tmp_path / "other"))[:2])


def test_users_of_the_1m_set(tmp_path: Path) -> None:
    place = dat(tmp_path / "ml")
    (place / "users.dat").write_text("1::F::1::10::02460\n")
    users = read_movielens(place, "latin-1")[2]
    assert users.rows() == [(1, "F", 1, "10", "02460")]
    assert MovieLens("1m").user_columns == tuple(users.columns)
    assert MovieLens("10m").user_columns == ("user",)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": "2m"}, "data.source.size must be one of 1m, 10m, 20m, 25m, 32m, latest-small, got 2m. Set"),
        (
            {"size": "latest-small"},
            "MovieLens latest-small changes and has no checksum: download it and set data.source",
        ),
        ({"path": "no.zip"}, "data.source.path must be ml-1m.zip or its unpacked folder, and no.zip does not exist."),
    ],
)
def test_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(text)):
        MovieLens(**options).fetch()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("ratings.csv", "u,m,r,t\n1,2,good,4\n", "ratings.csv cannot be read as a table (could not parse `good`"),
        ("ratings.csv", "u,m,r,t\n1,,3,4\n", "every rating needs a user, a film, stars and a time, and 1 cells of"),
        ("movies.csv", None, "movies.csv is needed, and "),
        ("ratings.csv", None, "must hold ratings.dat or ratings.csv, and holds neither. Get the zip file again."),
        ("other", "", "MovieLens 1m has 1000209 ratings and 3883 films, "),
    ],
)
def test_spoilt_files(name: str, content: str | None, text: str, tmp_path: Path) -> None:
    place = csv(tmp_path / "ml")
    if content is None:
        (place / name).unlink()
    else:
        (place / name).write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(text)):
        MovieLens(path=str(place)).fetch()


def test_no_network_says_where_to_put_the_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Path:
        raise OSError("no route")

    monkeypatch.setattr(movielens_large, "fetch_url", fail)
    with pytest.raises(FileNotFoundError) as caught:
        MovieLens("20m").fetch()
    assert str(caught.value) == (
        "MovieLens 20m is not in the cache and could not be downloaded (no route). Put ml-20m.zip from "
        f"grouplens.org/datasets/movielens/20m at {cache / 'ml-20m.zip'}, or set data.source.path to it."
    )


def test_the_identity_follows_the_content(tmp_path: Path) -> None:
    place = csv(tmp_path / "ml")
    before = MovieLens("latest-small", str(place)).identity()
    (place / "README.txt").write_text("no data")
    assert MovieLens("latest-small", str(place)).identity() == before
    (place / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,4.5,101\n")
    assert MovieLens("latest-small", str(place)).identity() != before
    assert MovieLens("1m").identity() != MovieLens("10m").identity()  # and downloads nothing

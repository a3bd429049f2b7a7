"""MovieLens-100K: 943 users, 1,682 films, 100,000 ratings with stars, times, titles, years and genres.

Source: F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015,
https://grouplens.org/datasets/movielens/100k/. Licence: research use, no redistribution, no commercial use; the
files are downloaded by whoever runs this and never shipped. Checksums: the zip's md5 as GroupLens prints it, the
wheel's sha256 as measured.

Relations: the RecBole wheel carries the same ratings in the same order as the original ``u.data``, and the same
titles with the year in a column of its own; both read into the same tables, and so to the same fingerprint.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER, Tables
from rec_lightning.data.sources.delimited import File, read_delimited, whole_numbers
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.tables import fingerprint
from rec_lightning.downloads import Wheel, cache_dir, cached_wheel, fetch_url, fetch_wheel

_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
_MD5 = "md5:0e33842e24a9c977be4e0107933c0723"
_WHEEL = Wheel(
    requirement="recbole==1.2.1",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
)
_LICENCE = "GroupLens research licence: no redistribution, no commercial use"
_ADVICE = "Get ml-100k.zip again."
_RATINGS = (USER, ITEM, RATING, TIMESTAMP)
_USERS = (USER, "age", "gender", "occupation", "zip")
# the columns of u.item after the first five
_GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()


class MovieLens100K:
    """Reads MovieLens-100K from a local path, else the cache, else GroupLens, else the RecBole wheel.

    Args:
        path: ``ml-100k.zip``, or a folder with ``u.data, u.item, u.user`` or with ``ml-100k.inter, .item, .user``;
            null to download.
    """

    item_columns = (ITEM, "title", "year", "genres")
    user_columns = _USERS

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def identity(self) -> str:
        """The checksums known beforehand, or that of the files at ``path``."""
        if self.path is None:
            return f"{_MD5} {_WHEEL.sha256}"
        place = Path(self.path).expanduser()
        _check_place(place)
        names = ("u.data", "u.item", "u.user", "ml-100k.inter", "ml-100k.item", "ml-100k.user")
        inside = [folder / name for folder in (place, place / "ml-100k") for name in names]
        return content_of([place] if place.is_file() else [file for file in inside if file.exists()])

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: ``path`` does not exist, or nothing is cached and nothing can be downloaded.
            ValueError: the files are not MovieLens-100K.
        """
        place = Path(self.path).expanduser() if self.path is not None else _download()
        interactions, items, users = read_movielens_100k(place)
        if interactions.height != 100_000 or items.height != 1_682:
            raise ValueError(
                f"MovieLens-100K has 100000 ratings and 1682 films, {place} has {interactions.height} and "
                f"{items.height}: the files are incomplete or another data set. {_ADVICE}"
            )
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name="ml-100k",
            licence=_LICENCE,
            source=str(place) if self.path is not None else f"{_URL}, or the copy inside {_WHEEL.requirement}",
            fingerprint=fingerprint(interactions, items, users),
        )


def read_movielens_100k(place: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Interactions, items and users of files in either layout, whatever their size.

    Args:
        place: a folder or a zip file; a zip file is read in place and never unpacked.

    Raises:
        FileNotFoundError: ``place`` or one of its files does not exist.
        ValueError: a file is not what it should be.
    """
    _check_place(place)
    if place.is_dir():
        return _read_layout(place)
    try:
        with zipfile.ZipFile(place) as archive:
            return _read_layout(zipfile.Path(archive))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{place} is not a zip file ({error}). {_ADVICE}") from error


def _check_place(place: Path) -> None:
    if not place.exists():
        raise FileNotFoundError(
            f"data.source.path must be ml-100k.zip or its unpacked folder, and {place} does not exist. "
            "Set data.source.path, or leave it out to download."
        )


def _read_layout(root: File) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    for folder in (root, root / "ml-100k"):
        if (folder / "u.data").exists():
            return _read_grouplens(folder)
        if (folder / "ml-100k.inter").exists():
            return _read_atomic(folder)
    raise FileNotFoundError(
        f"data.source.path must hold u.data, u.item and u.user, or ml-100k.inter, .item and .user, and {root} holds "
        f"neither. {_ADVICE}"
    )


def _download() -> Path:
    if cached_wheel(_WHEEL).is_dir() and not (cache_dir() / "ml-100k.zip").exists():
        return cached_wheel(_WHEEL)  # before any network, which may be slow to say no
    reasons = []
    try:
        return fetch_url(_URL, _MD5, "ml-100k.zip")
    except OSError as error:
        reasons.append(f"GroupLens: {error}")
    try:
        return fetch_wheel(_WHEEL)
    except OSError as error:
        reasons.append(f"package index: {error}")
    raise FileNotFoundError(
        f"MovieLens-100K is not in the cache and could not be downloaded ({'; '.join(reasons)}). "
        f"Put ml-100k.zip from grouplens.org/datasets/movielens/100k at {cache_dir() / 'ml-100k.zip'}, "
        "or set data.source.path to it."
    )


def _read_grouplens(place: File) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    interactions = read_delimited(place / "u.data", "\t", _RATINGS, _ADVICE)
    interactions = whole_numbers(interactions, _RATINGS, place / "u.data", _ADVICE)
    columns = [ITEM, "title", "date", "video", "url", *_GENRES]
    raw = read_delimited(place / "u.item", "|", columns, _ADVICE, encoding="latin-1")
    flags = [pl.when(pl.col(g) == "1").then(pl.lit(g)) for g in _GENRES]
    items = raw.with_columns(genres=pl.concat_list(flags).list.drop_nulls(), year=pl.lit(None, pl.String))
    users = read_delimited(place / "u.user", "|", _USERS, _ADVICE)
    return _canonical(interactions, whole_numbers(items, [ITEM], place / "u.item", _ADVICE), users, place / "u.user")


def _read_atomic(place: File) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    file = place / "ml-100k.inter"
    interactions = read_delimited(file, "\t", _RATINGS, _ADVICE, skip=1)
    interactions = whole_numbers(interactions, _RATINGS, file, _ADVICE)
    file = place / "ml-100k.item"
    items = read_delimited(file, "\t", [ITEM, "title", "year", "genres"], _ADVICE, skip=1)
    items = whole_numbers(items.with_columns(pl.col("genres").str.split(" ")), [ITEM], file, _ADVICE)
    users = read_delimited(place / "ml-100k.user", "\t", _USERS, _ADVICE, skip=1)
    return _canonical(interactions, items, users, place / "ml-100k.user")


def _canonical(
    interactions: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame, file: File
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    # a year at the end of the title wins; the wheel has one film with "V" in its year column
    year = pl.coalesce(
        pl.col("title").str.extract(r"\((\d{4})\)\s*$"), pl.col("year").cast(pl.Int64, strict=False).cast(pl.String)
    )
    title = pl.col("title").str.replace(r"\s*\(\d{4}\)\s*$", "").replace({"unkonwn": "unknown"})
    items = items.select(ITEM, title=title, year=year, genres=pl.col("genres"))
    users = whole_numbers(users, [USER, "age"], file, _ADVICE)
    return interactions.select(USER, ITEM, TIMESTAMP, RATING), items, users

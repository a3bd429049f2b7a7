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
from rec_lightning.data.tables import fingerprint
from rec_lightning.downloads import Wheel, cache_dir, fetch_url, fetch_wheel

_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
_MD5 = "md5:0e33842e24a9c977be4e0107933c0723"
_WHEEL = Wheel(
    requirement="recbole==1.2.1",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
)
_LICENCE = "GroupLens research licence: no redistribution, no commercial use"
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

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: ``path`` does not exist, or nothing is cached and nothing can be downloaded.
            ValueError: the files are not MovieLens-100K.
        """
        place = Path(self.path).expanduser() if self.path is not None else _download()
        if not place.exists():
            raise FileNotFoundError(
                f"data.source.path must be ml-100k.zip or its unpacked folder, and {place} does not exist. "
                "Set data.source.path, or leave it out to download."
            )
        if place.suffix == ".zip":
            place = _unpack(place)
        interactions, items, users = _read_grouplens(place) if (place / "u.data").exists() else _read_atomic(place)
        if interactions.height != 100_000 or items.height != 1_682:
            raise ValueError(
                f"MovieLens-100K has 100000 ratings and 1682 films, {place} has {interactions.height} and "
                f"{items.height}: the files are incomplete or another data set. Get ml-100k.zip again."
            )
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name="ml-100k",
            licence=_LICENCE,
            source=self.path or "GroupLens, or the copy inside " + _WHEEL.requirement,
            fingerprint=fingerprint(interactions, items, users),
        )


def _download() -> Path:
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


def _unpack(file: Path) -> Path:
    place = cache_dir() / "ml-100k"
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(place)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{file} is not a zip file ({error}). Get ml-100k.zip again.") from error
    return place / "ml-100k"


def _read(file: Path, separator: str, columns: list[str], skip: int = 0, encoding: str = "utf8") -> pl.DataFrame:
    if not file.exists():
        raise FileNotFoundError(f"MovieLens-100K needs {file.name}, and {file} does not exist. Get ml-100k.zip again.")
    try:
        text = file.read_bytes().decode(encoding)
        return pl.read_csv(
            text.encode(),
            separator=separator,
            has_header=False,
            skip_rows=skip,
            quote_char=None,
            new_columns=columns,
            infer_schema=False,
        )
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as a table ({error}). Get ml-100k.zip again.") from error


def _numbers(frame: pl.DataFrame, file: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return frame.with_columns(pl.col(c).cast(pl.Float64).cast(pl.Int64) for c in columns)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{file} has a cell that is no number in {columns} ({error}). Get it again.") from error


def _read_grouplens(place: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    names = [USER, ITEM, RATING, TIMESTAMP]
    interactions = _numbers(_read(place / "u.data", "\t", names), place / "u.data", names)
    raw = _read(place / "u.item", "|", [ITEM, "title", "date", "video", "url", *_GENRES], encoding="latin-1")
    flags = [pl.when(pl.col(g) == "1").then(pl.lit(g)) for g in _GENRES]
    items = raw.with_columns(genres=pl.concat_list(flags).list.drop_nulls(), year=pl.lit(None, pl.String))
    users = _read(place / "u.user", "|", [USER, "age", "gender", "occupation", "zip"])
    return _canonical(interactions, items, users)


def _read_atomic(place: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    names = [USER, ITEM, RATING, TIMESTAMP]
    file = place / "ml-100k.inter"
    interactions = _numbers(_read(file, "\t", names, skip=1), file, names)
    items = _read(place / "ml-100k.item", "\t", [ITEM, "title", "year", "genres"], skip=1)
    items = items.with_columns(pl.col("genres").str.split(" "))
    users = _read(place / "ml-100k.user", "\t", [USER, "age", "gender", "occupation", "zip"], skip=1)
    return _canonical(interactions, items, users)


def _canonical(
    interactions: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    # a year at the end of the title wins; the wheel has one film with "V" in its year column
    year = pl.coalesce(
        pl.col("title").str.extract(r"\((\d{4})\)\s*$"), pl.col("year").cast(pl.Int64, strict=False).cast(pl.String)
    )
    title = pl.col("title").str.replace(r"\s*\(\d{4}\)\s*$", "").replace({"unkonwn": "unknown"})
    items = items.select(pl.col(ITEM).cast(pl.Int64), title=title, year=year, genres=pl.col("genres"))
    users = users.select(pl.col(USER).cast(pl.Int64), pl.col("age").cast(pl.Int64), "gender", "occupation", "zip")
    return interactions.select(USER, ITEM, TIMESTAMP, RATING), items, users

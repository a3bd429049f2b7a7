"""The larger MovieLens sets, 1M to 32M ratings, and latest-small: stars, times, titles, years, genres.

Source: F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015,
https://grouplens.org/datasets/movielens/. Licence: research use, no redistribution, no commercial use; downloaded by
whoever runs this and never shipped. Checksums: the md5 that GroupLens prints beside each zip. latest-small has none,
since GroupLens changes it: it is read from a path only.

Relations: ``movielens`` reads the 100K set, whose files have another layout.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER, Tables
from rec_lightning.data.sources.delimited import File, read_delimited, whole_numbers
from rec_lightning.data.sources.identity import content_of
from rec_lightning.data.tables import fingerprint
from rec_lightning.downloads import cache_dir, fetch_url

_LICENCE = "GroupLens research licence: no redistribution, no commercial use"
_TYPES = {USER: pl.Int64, ITEM: pl.Int64, RATING: pl.Float64, TIMESTAMP: pl.Int64}
_USERS = (USER, "gender", "age", "occupation", "zip")
_NO_GENRE = "(no genres listed)"


@dataclass(frozen=True)
class _Release:
    """One zip file: its md5, its ratings and films (0 where they change), and the encoding of its texts."""

    md5: str
    ratings: int
    films: int
    encoding: str = "utf8"


_RELEASES = {
    "1m": _Release("c4d9eecfca2ab87c1945afe126590906", 1_000_209, 3_883, "latin-1"),
    "10m": _Release("ce571fd55effeba0271552578f2648bd", 10_000_054, 10_681),
    "20m": _Release("cd245b17a1ae2cc31bb14903e1204af3", 20_000_263, 27_278),
    "25m": _Release("6b51fb2759a8657d3bfcbfc42b592ada", 25_000_095, 62_423),
    "32m": _Release("d472be332d4daa821edc399621853b57", 32_000_204, 87_585),
    "latest-small": _Release("", 0, 0),
}


class MovieLens:
    """Reads one of the larger sets from a path, else the cache, else GroupLens.

    Args:
        size: which set.
        path: the zip file or its unpacked folder; null to download.

    Raises:
        ValueError: an unknown size, or latest-small without a path.
    """

    item_columns = (ITEM, "title", "year", "genres")

    def __init__(
        self, size: Literal["1m", "10m", "20m", "25m", "32m", "latest-small"] = "1m", path: str | None = None
    ) -> None:
        if size not in _RELEASES:
            raise ValueError(
                f"data.source.size must be one of {', '.join(_RELEASES)}, got {size}. Set data.source.size."
            )
        if not _RELEASES[size].md5 and path is None:
            raise ValueError(f"MovieLens {size} changes and has no checksum: download it and set data.source.path.")
        self.size, self.path = size, path

    @property
    def user_columns(self) -> tuple[str, ...]:
        """Columns of the user table; only the 1m set says something about users."""
        return _USERS if self.size == "1m" else (USER,)

    def identity(self) -> str:
        """The checksum known beforehand, or that of the files at ``path``."""
        if self.path is None:
            return f"{self.size} {_RELEASES[self.size].md5}"
        place = self._place()
        inside = sorted(f for f in place.rglob("*") if f.name.partition(".")[0] in ("ratings", "movies", "users"))
        return f"{self.size} {content_of([place] if place.is_file() else inside)}"

    def _place(self) -> Path:
        if self.path is None:
            return self._download()
        place = Path(self.path).expanduser()
        if not place.exists():
            raise FileNotFoundError(
                f"data.source.path must be ml-{self.size}.zip or its unpacked folder, and {place} does not exist. "
                "Set data.source.path."
            )
        return place

    def _download(self) -> Path:
        name, page = f"ml-{self.size}.zip", f"grouplens.org/datasets/movielens/{self.size}"
        try:
            url = f"https://files.grouplens.org/datasets/movielens/{name}"
            return fetch_url(url, f"md5:{_RELEASES[self.size].md5}", name)
        except OSError as error:
            raise FileNotFoundError(
                f"MovieLens {self.size} is not in the cache and could not be downloaded ({error}). Put {name} from "
                f"{page} at {cache_dir() / name}, or set data.source.path to it."
            ) from error

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: the files are not there and cannot be downloaded.
            ValueError: they are not what they should be.
        """
        place, release = self._place(), _RELEASES[self.size]
        interactions, items, users = read_movielens(place, release.encoding)
        if release.ratings and (interactions.height, items.height) != (release.ratings, release.films):
            raise ValueError(
                f"MovieLens {self.size} has {release.ratings} ratings and {release.films} films, {place} has "
                f"{interactions.height} and {items.height}: the files are incomplete or another set. Get them again."
            )
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name=f"ml-{self.size}",
            licence=_LICENCE,
            source=str(place),
            fingerprint=fingerprint(interactions, items, users),
        )


def read_movielens(place: Path, encoding: str = "utf8") -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Interactions, items and users of files in either layout, ``.dat`` or ``.csv``, whatever their size.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file is not what it should be.
    """
    if place.is_dir():
        return _read_layout(place, encoding)
    try:
        with zipfile.ZipFile(place) as archive:
            return _read_layout(zipfile.Path(archive), encoding)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{place} is not a zip file ({error}). Get it again.") from error


def _read_layout(root: File, encoding: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    for folder in (root, *(inside for inside in root.iterdir() if inside.is_dir())):
        if (folder / "ratings.dat").exists():
            advice = "Get the zip file again."
            films = read_delimited(folder / "movies.dat", "::", [ITEM, "title", "genres"], advice, encoding=encoding)
            users = pl.DataFrame(schema={USER: pl.Int64})
            if (folder / "users.dat").exists():
                users = read_delimited(folder / "users.dat", "::", _USERS, advice)
                users = whole_numbers(users, [USER, "age"], folder / "users.dat", advice)
            films = whole_numbers(films, [ITEM], folder / "movies.dat", advice)
            return _ratings(folder / "ratings.dat", header=False), _films(films), users
        if (folder / "ratings.csv").exists():
            films = _typed(folder / "movies.csv", {ITEM: pl.Int64, "title": pl.String, "genres": pl.String})
            return _ratings(folder / "ratings.csv", header=True), _films(films), pl.DataFrame(schema={USER: pl.Int64})
    raise FileNotFoundError(f"{root} must hold ratings.dat or ratings.csv, and holds neither. Get the zip file again.")


def _ratings(file: File, header: bool) -> pl.DataFrame:
    frame = _typed(file, _TYPES, header).select(USER, ITEM, TIMESTAMP, RATING)
    gaps = sum(frame.null_count().row(0))
    if gaps:
        raise ValueError(f"every rating needs a user, a film, stars and a time, and {gaps} cells of {file} are empty.")
    return frame


def _typed(file: File, types: Mapping[str, type[pl.DataType]], header: bool = True) -> pl.DataFrame:
    if not file.exists():
        raise FileNotFoundError(f"{file.name} is needed, and {file} does not exist. Get the zip file again.")
    try:
        content = file.read_bytes() if header else file.read_bytes().replace(b"::", b",")
        return pl.read_csv(content, has_header=False, skip_rows=int(header), schema=types)
    except (pl.exceptions.PolarsError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file} cannot be read as a table ({reason}). Get the zip file again.") from error


def _films(films: pl.DataFrame) -> pl.DataFrame:
    genres = pl.when(pl.col("genres") == _NO_GENRE).then(pl.lit("")).otherwise(pl.col("genres")).str.split("|")
    return films.select(
        ITEM,
        title=pl.col("title").str.replace(r"\s*\(\d{4}\)\s*$", ""),
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$"),
        genres=genres.list.filter(pl.element() != ""),
    )

"""Amazon reviews in the releases of 2014 (5-core JSON), 2018 and 2023, with item metadata.

Source: R. He and J. McAuley, "Ups and Downs", WWW 2016 (2014); J. Ni et al., "Justifying Recommendations", EMNLP 2019
(2018); Y. Hou et al., "Bridging Language and Items for Retrieval and Recommendation", 2024,
https://arxiv.org/abs/2403.03952 (2023); https://cseweb.ucsd.edu/~jmcauley/datasets.html. Licence: none stated; research
use. No checksums are published: give the files' paths, their sha256 becomes the identity.

Times are seconds; those of 2023 come in milliseconds. In 2023 variants of a product share ``parent_asin``, which is the
item. Metadata of 2014 are Python literals, not JSON. Of an item described twice the first row stays.

Relations: ``sequences`` reads the Beauty file that S3-Rec made of the 2014 release.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER, Tables
from rec_lightning.data.sources.broken import Broken
from rec_lightning.data.sources.cells import as_numbers
from rec_lightning.data.sources.identity import content_of, told_file
from rec_lightning.data.tables import fingerprint

_TYPES = {USER: pl.String, ITEM: pl.String, TIMESTAMP: pl.Int64, RATING: pl.Float64}
_FIELDS: dict[str, Any] = {
    "title": pl.String,
    "categories": pl.List(pl.String),
    "brand": pl.String,
    "price": pl.Float64,
}


@dataclass(frozen=True)
class _Release:
    """Names of the columns: user, item, time, rating; item, categories and brand of the metadata; unit of time."""

    events: tuple[str, str, str, str]
    item: str
    categories: str
    brand: str
    milliseconds: bool = False


_OLD = ("reviewerID", "asin", "unixReviewTime", "overall")
_RELEASES = {
    2014: _Release(_OLD, "asin", "categories", "brand"),
    2018: _Release(_OLD, "asin", "category", "brand"),
    2023: _Release(("user_id", "parent_asin", "timestamp", "rating"), "parent_asin", "categories", "store", True),
}


class AmazonReviews:
    """Reads one category of one release.

    Args:
        path: reviews, lines of JSON, ``.gz`` too.
        release: year of the release.
        metadata: lines of item metadata, ``.gz`` too; null for none.
        max_broken: share of lines that may be broken and are left out.

    Raises:
        ValueError: an unknown release, or a share out of range.
    """

    user_columns = (USER,)

    def __init__(
        self,
        path: str,
        release: Literal[2014, 2018, 2023] = 2014,
        metadata: str | None = None,
        max_broken: float = 0.0,
    ) -> None:
        if release not in _RELEASES:
            raise ValueError(
                f"data.source.release must be one of {', '.join(map(str, _RELEASES))}, got {release}. "
                "Set data.source.release."
            )
        Broken(max_broken, "data.source.max_broken")
        self.path, self.release, self.metadata, self.max_broken = path, release, metadata, max_broken

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the item table."""
        return (ITEM, *_FIELDS) if self.metadata is not None else (ITEM,)

    def identity(self) -> str:
        """Options and the content of the files."""
        files = [self._reviews(), *([] if self.metadata is None else [self._metadata(self.metadata)])]
        return f"{self.release} {self.max_broken} {len(files)} {content_of(files)}"

    def origin(self) -> str:
        """The content of the reviews, however they are read."""
        return content_of([self._reviews()])

    def _reviews(self) -> Path:
        return told_file("path", self.path, "a file of Amazon reviews, an object a line")

    def _metadata(self, path: str) -> Path:
        return told_file("metadata", path, "a file of Amazon metadata, an object a line")

    def fetch(self) -> Tables:
        """The canonical tables.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: too many lines are broken.
        """
        events = self._events(self._reviews())
        items = pl.DataFrame(schema={ITEM: pl.String})
        if self.metadata is not None:
            items = self._items(self._metadata(self.metadata))
        users = pl.DataFrame(schema={USER: pl.String})
        return Tables(
            interactions=events,
            items=items,
            users=users,
            name=f"amazon-{self.release}-{Path(self.path).name.partition('.')[0]}",
            licence="none stated; research use",
            source=self.path,
            fingerprint=fingerprint(events, items, users),
        )

    def _events(self, file: Path) -> pl.DataFrame:
        release = _RELEASES[self.release]
        schema = dict(zip(release.events, _TYPES.values(), strict=True))
        try:
            frame = pl.read_ndjson(_content(file), schema=schema).rename(dict(zip(schema, _TYPES, strict=True)))
            if sum(frame.null_count().row(0)):
                frame = self._slowly(file, release)
        except pl.exceptions.PolarsError:
            frame = self._slowly(file, release)
        # what happened within a second keeps its order
        return frame.with_columns(as_numbers(frame[TIMESTAMP] / 1000)) if release.milliseconds else frame

    def _slowly(self, file: Path, release: _Release) -> pl.DataFrame:
        """Line by line, so that a broken one is found."""
        broken, wrong, rows, line = Broken(self.max_broken, "data.source.max_broken"), [], [], 0
        for line, entry in _lines(file):
            cells: list[Any] | None = [entry.get(name) for name in release.events] if entry is not None else None
            if cells is None:
                wrong.append((line, "no line of JSON"))
            elif not all(isinstance(c, str) and c for c in cells[:2]):
                wrong.append((line, f"no {release.events[0]} or {release.events[1]}"))
            elif not all(isinstance(c, int | float) and not isinstance(c, bool) for c in cells[2:]):
                wrong.append((line, f"{release.events[2]} or {release.events[3]} is no number"))
            else:
                rows.append((cells[0], cells[1], int(cells[2]), float(cells[3])))
        broken.add(file, line, wrong)
        broken.check()
        return pl.DataFrame(rows, schema=_TYPES, orient="row")

    def _items(self, file: Path) -> pl.DataFrame:
        release = _RELEASES[self.release]
        broken, wrong, rows, line = Broken(self.max_broken, "data.source.max_broken"), [], [], 0
        for line, entry in _lines(file):
            if entry is None or not entry.get(release.item):
                wrong.append((line, f"no line with {release.item}"))
                continue
            groups = entry.get(release.categories) or []
            names = [name for group in groups for name in (group if isinstance(group, list) else [group])]
            brand = entry.get(release.brand) or None
            rows.append((entry[release.item], entry.get("title") or None, names, brand, _price(entry.get("price"))))
        broken.add(file, line, wrong)
        broken.check()
        frame = pl.DataFrame(rows, schema={ITEM: pl.String, **_FIELDS}, orient="row", strict=False)
        return frame.unique(ITEM, keep="first", maintain_order=True)


def _content(file: Path) -> bytes:
    try:
        return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{file} cannot be unpacked ({error}). Get it again.") from error


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line number and entry; None where the line is none."""
    for number, line in enumerate(_content(file).decode(errors="replace").splitlines(), 1):
        try:
            entry = json.loads(line) if not line.startswith("{'") else ast.literal_eval(line)
        except (ValueError, SyntaxError):
            entry = None
        yield number, entry if isinstance(entry, dict) else None


def _price(value: object) -> float | None:
    """A number, or ``"$12.99"``; None for ranges and texts."""
    try:
        return float(str(value).replace("$", "").replace(",", ""))
    except ValueError:
        return None

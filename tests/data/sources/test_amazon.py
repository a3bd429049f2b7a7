from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.data.sources.amazon import AmazonReviews

OLD = [
    {"reviewerID": "A1", "asin": "B1", "unixReviewTime": 100, "overall": 5.0, "reviewText": "x", "helpful": [0, 0]},
    {"reviewerID": "A1", "asin": "B2", "unixReviewTime": 50, "overall": 3, "summary": "y"},
]
NEW = [
    {"user_id": "A1", "asin": "v", "parent_asin": "B1", "timestamp": 100_999, "rating": 5.0, "title": "t"},
    {"user_id": "A1", "asin": "w", "parent_asin": "B2", "timestamp": 50_000, "rating": 3.0},
]
META = {
    2014: "{'asin': 'B1', 'title': \"Nail's\", 'price': 1.5, 'categories': [['Beauty', 'Nails']], 'brand': 'OPI'}",
    2018: json.dumps(
        {"asin": "B1", "title": "Nail's", "price": "$1.50", "category": ["Beauty", "Nails"], "brand": "OPI"}
    ),
    2023: json.dumps(
        {"parent_asin": "B1", "title": "Nail's", "price": 1.5, "categories": ["Beauty", "Nails"], "store": "OPI"}
    ),
}


def written(place: Path, entries: list[Any]) -> str:
    text = "".join(f"{e if isinstance(e, str) else json.dumps(e)}\n" for e in entries).encode()
    place.write_bytes(gzip.compress(text) if place.suffix == ".gz" else text)
    return str(place)


@pytest.mark.parametrize("release", [2014, 2018, 2023])
@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_every_release_gives_the_same_tables(release: Any, ending: str, tmp_path: Path) -> None:
    reviews = written(tmp_path / f"r{ending}", NEW if release == 2023 else OLD)
    second = META[release].replace("B1", "B2").replace("1.50", "1.50 - $9").replace("1.5", '"1.5 - 9"')
    if release == 2018:
        second = META[release].replace("B1", "B2").replace("$1.50", "$1.50 - $9")
    metadata = written(tmp_path / f"m{ending}", [META[release], META[release].replace("OPI", "later"), second])
    source = AmazonReviews(reviews, release, metadata)
    tables = source.fetch()
    assert tables.interactions.columns == ["user", "item", "timestamp", "rating"]
    first = 100.999 if release == 2023 else 100  # within a second the order counts
    assert tables.interactions.rows() == [("A1", "B1", first, 5.0), ("A1", "B2", 50, 3.0)]
    assert source.item_columns == tuple(tables.items.columns)
    assert source.user_columns == tuple(tables.users.columns)
    assert tables.items.rows() == [
        ("B1", "Nail's", ["Beauty", "Nails"], "OPI", 1.5),
        ("B2", "Nail's", ["Beauty", "Nails"], "OPI", None),
    ]


def test_without_metadata_items_have_no_fields(tmp_path: Path) -> None:
    source = AmazonReviews(written(tmp_path / "r.json", OLD))
    assert source.item_columns == tuple(source.fetch().items.columns) == ("item",)


BROKEN = [*OLD, '{"reviewerID": "A', {"asin": "B1", "unixReviewTime": 1, "overall": 1}, {**OLD[0], "overall": "good"}]


def test_broken_lines_are_counted_and_shown(tmp_path: Path) -> None:
    file = written(tmp_path / "r.json", BROKEN)
    with pytest.raises(ValueError, match="broken") as caught:
        AmazonReviews(file).fetch()
    assert str(caught.value) == (
        "at most 0 of the rows may be broken, and 3 of 5 are (r.json line 3: no line of JSON; r.json line 4: no "
        "reviewerID or asin; r.json line 5: unixReviewTime or overall is no number). Mend them, or raise "
        "data.source.max_broken."
    )
    assert AmazonReviews(file, max_broken=0.6).fetch().interactions.height == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"release": 2020},
            "data.source.release must be one of 2014, 2018, 2023, got 2020. Set data.source.release.",
        ),
        ({"max_broken": -1}, "data.source.max_broken must be in 0..1, 1 excluded, got -1."),
        ({"metadata": "no.json"}, "a line, and no.json does not exist. Set data.source.metadata."),
        ({"release": 2023}, "r.json line 1: no user_id or parent_asin"),
    ],
)
def test_bad_input(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    file = written(tmp_path / "r.json", OLD)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(text)):
        AmazonReviews(file, **options).fetch()


def test_a_cut_off_file(tmp_path: Path) -> None:
    (tmp_path / "r.json.gz").write_bytes(gzip.compress(json.dumps(OLD[0]).encode())[:-9])
    with pytest.raises(ValueError, match=r"r\.json\.gz cannot be unpacked \(Compressed file ended"):
        AmazonReviews(str(tmp_path / "r.json.gz")).fetch()

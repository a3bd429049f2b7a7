"""What each filter keeps of a small catalogue, by hand, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Catalog
from rec_lightning.filters.between import Between
from rec_lightning.filters.category import Category
from rec_lightning.filters.listed import Listed
from tests.members import composed, members


@pytest.fixture
def shop() -> Catalog:
    items = pl.DataFrame(
        {
            "item": [1, 2, 3, 4],
            "genres": [["war", "drama"], ["drama"], [], None],
            "brand": ["a", None, "b", "a"],
            "price": ["9.5", "20", None, "7"],
        }
    )
    return Catalog(items, np.zeros(5, np.int64))


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        (Category("genres", ["drama"]), [1, 2]),
        (Category("genres", ["drama"], keep=False), [3, 4]),
        (Category("genres", "war"), [1]),
        (Category("genres", ["war", "drama"]), [1, 2]),
        (Category("brand", ["a"]), [1, 4]),
        (Category("brand", ["a"], keep=False), [2, 3]),
        (Category("item", [3, 2]), [2, 3]),
        (Between("price", high=9.5), [1, 4]),
        (Between("price", low=7, high=9), [4]),
        (Between("price", low=10, missing=True), [2, 3]),
        (Between("item", low=3), [3, 4]),
    ],
)
def test_what_stays(part: Callable[[Catalog], np.ndarray], kept: list[int], shop: Catalog) -> None:
    assert (np.flatnonzero(part(shop)) + 1).tolist() == kept


def test_a_list_of_ids(shop: Catalog, tmp_path: Path) -> None:
    file = tmp_path / "stock.txt"
    file.write_text("4\n\n 1 \n77\n")
    assert Listed(str(file))(shop).tolist() == [True, False, False, True]
    assert Listed(str(file), keep=False)(shop).tolist() == [False, True, True, False]
    with pytest.raises(ValueError, match=r"must be in the catalogue, and 1 of 3 are not \(first: 77\)"):
        Listed(str(file), unknown="refuse")(shop)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Category("brand", []), "filters.category.values must name at least one value, got none."),
        (lambda: Between("price"), "filters.between must have a lower or an upper end, got neither."),
        (lambda: Between("price", 3, 2), r"filters.between.low must be at most filters.between.high \(2\), got 3."),
        (lambda: Listed("/nowhere"), "filters.listed.path must be a file of item ids, and /nowhere is none."),
    ],
)
def test_refused_at_once(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Category("colour", ["red"]), r"filters.category.column must be a column of the item table \(item, genres, br"),
        (Category("brand", ["z"]), "must occur in the column brand, and 'z' does not. Values: a, b."),
        (Between("brand", 1), r"filters.between.column must hold numbers, and brand \(String\) has none."),
        (Between("genres", 1), "filters.between.column must hold numbers, and genres"),
    ],
)
def test_refused_for_this_catalogue(part: Callable[[Catalog], object], text: str, shop: Catalog) -> None:
    with pytest.raises(ValueError, match=text):
        part(shop)


def test_an_empty_list_of_ids(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match=r"filters\.listed\.path must name at least one item"):
        Listed(str(tmp_path / "empty"))


@pytest.mark.parametrize("choice", [name for name in members("filters") if name != "none"])
def test_every_choice_names_its_part_after_itself(choice: str) -> None:
    given = ["filters.category.values=[x]"] if choice == "category" else []
    given += ["filters.listed.path=x"] if choice == "listed" else []
    assert list(composed("filters", choice, *given, root="recommend")) == [choice]

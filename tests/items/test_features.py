"""Categories, lists and numbers by hand; what is missing, rare, unknown, nearly an id or no number."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog
from rec_lightning.items.feature_columns import MISSING, UNKNOWN, NumberColumn, WordColumn
from rec_lightning.items.feature_table import FeatureTable
from rec_lightning.items.features import FeatureItems

FRAME = pl.DataFrame(
    {
        "item": [f"i{i}" for i in range(6)],
        "brand": ["acme", "best", "acme", None, "best", "rare"],
        "genres": [["war"], ["war", "drama"], [], None, ["drama", None], ["drama"]],
        "price": [1.0, None, 3.0, float("nan"), 5.0, 7.0],
        "year": ["1990", "1991", None, "1993", "1994", "1995"],
        "nothing": pl.Series([None] * 6, dtype=pl.String),
    }
)
D = 3
ALL = torch.arange(6)


def weight(table: FeatureTable, column: int = 0) -> Tensor:
    found = table.columns[column]
    assert isinstance(found, WordColumn | NumberColumn)
    return found.embedding.weight if isinstance(found, WordColumn) else found.weight


def test_a_category_is_a_row_of_its_table() -> None:
    table = FeatureTable(FRAME, D, categories=["brand"], max_distinct=1)
    acme, best, rare = 2, 3, 4  # in alphabetical order, after missing and unknown
    assert torch.equal(table(ALL), weight(table)[[acme, best, acme, MISSING, best, rare]])
    assert torch.equal(table(torch.tensor([4, 4, 0])), weight(table)[[best, best, acme]])


def test_rare_values_share_the_vector_of_unknown_ones() -> None:
    table = FeatureTable(FRAME, D, categories=["brand"], min_count=2, max_distinct=1)
    assert len(weight(table)) == 4
    assert torch.equal(table(ALL)[5], weight(table)[UNKNOWN])


def test_a_list_is_the_mean_of_its_words() -> None:
    table = FeatureTable(FRAME, D, lists=["genres"])
    w = weight(table)
    drama, war = w[2], w[3]
    expected = [war, (war + drama) / 2, w[MISSING], w[MISSING], drama, drama]
    assert torch.allclose(table(ALL), torch.stack(expected))
    assert torch.allclose(table(torch.tensor([4, 1])), torch.stack([drama, (war + drama) / 2]))


@pytest.mark.parametrize("how", ["standardise", "log1p"])
def test_a_number_is_scaled_and_a_missing_one_flagged(how: Any) -> None:
    table = FeatureTable(FRAME, D, numbers={"price": how})
    known = np.array([1.0, 3.0, 5.0, 7.0])
    known = np.log1p(known) if how == "log1p" else known
    scaled = torch.tensor((known - known.mean()) / known.std(), dtype=torch.float32)
    number, absence = weight(table)
    found = table(ALL)
    assert torch.allclose(found[[0, 2, 4, 5]], scaled.unsqueeze(1) * number, atol=1e-6)
    assert torch.allclose(found[[1, 3]], absence.expand(2, D))


def test_buckets_are_equally_filled_and_a_missing_number_has_its_own() -> None:
    table = FeatureTable(FRAME, D, numbers={"price": "buckets"}, buckets=2)
    low, high = weight(table)[2], weight(table)[3]
    absence = weight(table)[MISSING]
    assert torch.equal(table(ALL), torch.stack([low, absence, low, absence, high, high]))


def test_a_number_may_be_written_as_text() -> None:
    table = FeatureTable(FRAME, D, numbers={"year": "standardise"})
    years = FRAME.with_columns(pl.col("year").cast(pl.Int64))
    torch.manual_seed(0)
    one = FeatureTable(years, D, numbers={"year": "standardise"})
    one.load_state_dict(table.state_dict())
    assert torch.equal(one(ALL), table(ALL))


def test_columns_are_summed() -> None:
    table = FeatureTable(FRAME, D, ["brand"], ["genres"], {"price": "log1p", "year": "buckets"}, max_distinct=1)
    assert torch.allclose(table(ALL), torch.stack([column(ALL) for column in table.columns]).sum(0))
    assert len(table.columns) == 4


def test_other_rows_are_read_with_the_vocabulary_and_the_scale_of_the_first() -> None:
    table = FeatureTable(
        FRAME, D, ["brand"], ["genres"], {"price": "standardise", "year": "buckets"}, buckets=2, max_distinct=1
    )
    before, names = table(ALL), list(table.state_dict())
    others = pl.DataFrame(
        {"brand": ["new", "acme"], "genres": [["opera", "war"], []], "price": [4.0, None], "year": ["2050", "1990"]}
    )
    table.encode(others)
    brand, genres, price, year = (weight(table, k) for k in range(4))
    unknown = brand[UNKNOWN] + (genres[UNKNOWN] + genres[3]) / 2 + 0 * price[0] + year[3]  # the mean price is 4
    assert torch.allclose(table(torch.tensor([0])), unknown, atol=1e-6)
    assert torch.allclose(table(torch.tensor([1])), brand[2] + genres[MISSING] + price[1] + year[2], atol=1e-6)
    table.encode(FRAME)
    assert torch.equal(table(ALL), before)
    assert list(table.state_dict()) == names  # what describes the rows is no weight


def test_items_are_counted_from_one() -> None:
    catalog = Catalog(FRAME, np.zeros(7, np.int64))
    items = FeatureItems(catalog, D, lists=["genres"])
    assert torch.equal(items.table()[1:], items.features(ALL))
    assert torch.equal(items.vectors(torch.tensor([2, 0])), torch.stack([items.features(ALL)[1], torch.zeros(D)]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "features need a column at least, got none. Set categories, lists or numbers to some of: item, brand, "),
        ({"categories": ["film"]}, "categories names 'film', which the table does not have. Columns: item, brand, "),
        ({"lists": ["tags"]}, "lists names 'tags', which the table does not have. Columns: "),
        ({"numbers": {"cost": "log1p"}}, "numbers names 'cost', which the table does not have. Columns: "),
        ({"categories": ["brand", "brand"]}, "each feature must be named once, and 'brand' is named twice."),
        ({"numbers": {"price": "buckets"}, "buckets": 1}, "buckets must be at least 2, got 1. Set buckets."),
        ({"categories": ["brand"], "min_count": 0}, "min_count must be at least 1, got 0. Set min_count."),
        ({"categories": ["brand"], "max_distinct": 0}, "max_distinct must be in (0, 1], got 0. Set max_distinct."),
    ],
)
@pytest.mark.parametrize("rows", [0, 6])
def test_refused_before_any_data_is_read(options: dict[str, Any], text: str, rows: int) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        FeatureTable(FRAME.head(rows), D, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"categories": ["genres"]}, "categories names 'genres', which holds lists. Name it in lists."),
        ({"lists": ["brand"]}, "lists names 'brand', which holds single values. Name it in categories or numbers."),
        ({"categories": ["nothing"]}, "categories names 'nothing', which has no value in any row. Leave it out."),
        ({"numbers": {"brand": "log1p"}}, "numbers names 'brand', which holds 'acme'. Name it in categories."),
        (
            {"categories": ["item"]},
            "'item' has 6 different values in 6 rows, so it is nearly an id (max_distinct=0.5). Leave it out of",
        ),
    ],
)
def test_refused_when_the_data_are_known(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        FeatureTable(FRAME, D, **options)


def test_numbers_that_cannot_be_scaled() -> None:
    with pytest.raises(ValueError, match=r"^log1p needs numbers above -1, and 'x' holds -2.0. Set it to standardise"):
        FeatureTable(pl.DataFrame({"x": [-2.0, 1.0]}), D, numbers={"x": "log1p"})
    with pytest.raises(ValueError, match=r"^numbers names 'x', which holds inf"):
        FeatureTable(pl.DataFrame({"x": [float("inf"), 1.0]}), D, numbers={"x": "standardise"})
    assert torch.isfinite(FeatureTable(pl.DataFrame({"x": [2, 2]}), D, numbers={"x": "standardise"})(ALL[:2])).all()

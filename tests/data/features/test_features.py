"""Features of users and items: their values, and that nothing of validation or test goes into them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from hydra.utils import instantiate
from polars.testing import assert_frame_equal

from rec_lightning.contracts import Catalog, Feature, Tables
from rec_lightning.data.cache import place_of
from rec_lightning.data.features.activity import Activity
from rec_lightning.data.features.category_taste import CategoryTaste
from rec_lightning.data.features.item_age import ItemAge
from rec_lightning.data.features.price_taste import PriceTaste
from rec_lightning.data.features.recency import Recency
from rec_lightning.data.features.recent_popularity import RecentPopularity
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.cold_users import ColdUsers
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from tests.members import composed, members

ALL: dict[str, Feature] = {
    "activity": Activity(),
    "recency": Recency(),
    "price_taste": PriceTaste(),
    "category_taste": CategoryTaste(),
    "recent_popularity": RecentPopularity([2, 9]),
    "item_age": ItemAge(),
}
DAY = 86_400


class Shop(Synthetic):
    """Synthetic data with prices, some of them unknown; ``change`` alters the events."""

    item_columns: Any = ("item", "title", "year", "genres", "price")
    change: ClassVar[Callable[[pl.DataFrame], pl.DataFrame]] = staticmethod(lambda events: events)

    def fetch(self) -> Tables:
        tables = super().fetch()
        price = pl.when(pl.col("item") % 5 > 0).then(pl.col("item") / 2)
        return replace(
            tables, interactions=type(self).change(tables.interactions), items=tables.items.with_columns(price=price)
        )


def prepared(source: Shop | None = None, split: Any = None, cache: bool = False, **features: Feature) -> RecData:
    data = RecData(
        source or Shop(users=40, items=30, seed=3), split or LeaveOneOut(), 10, cache=cache, features=features or ALL
    )
    data.prepare()
    return data


def test_every_feature_against_plain_loops() -> None:
    data = prepared()
    sequences, catalog = data.sequences, data.catalog
    events = data.tables.interactions.sort("user", "timestamp", maintain_order=True).rows(named=True)
    training = [e for e, role in zip(events, sequences.role, strict=True) if role == 0]
    end = max(e["timestamp"] for e in training)
    items = {row["item"]: row for row in data.tables.items.rows(named=True)}
    for user in catalog.users.rows(named=True):
        own = [e for e in training if e["user"] == user["user"]]
        assert user["activity"] == len(own)
        assert user["recency_days"] == pytest.approx((end - max(e["timestamp"] for e in own)) / DAY)
        prices = [p for e in own if (p := items[e["item"]]["price"]) is not None]
        assert user["price_taste"] == pytest.approx(np.mean(prices))
        count = Counter(word for e in own for word in items[e["item"]]["genres"])
        assert user["category_taste"] == sorted(count, key=lambda word: (-count[word], word))[:3]
    for item in catalog.items.rows(named=True):
        times = [e["timestamp"] for e in training if e["item"] == item["item"]]
        for days in (2, 9):
            assert item[f"popularity_{days}d"] == sum(end - time <= days * DAY for time in times)
        assert item["age_days"] == (pytest.approx((end - min(times)) / DAY) if times else None)
    assert catalog.items.height == catalog.size
    assert catalog.users["user"].equals(sequences.users)


@pytest.mark.parametrize("name", ALL)
def test_nothing_of_validation_or_test_goes_in(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared(**{name: ALL[name]})
    held_out = before.sequences.role > 0

    def other_future(events: pl.DataFrame) -> pl.DataFrame:
        """Every validation and test event becomes one of the other items, three days later."""
        ordered = events.sort("user", "timestamp", maintain_order=True)
        hidden = pl.Series(held_out)
        return ordered.with_columns(
            item=pl.when(hidden).then(31 - pl.col("item")).otherwise("item"),
            timestamp=pl.col("timestamp") + pl.when(hidden).then(3 * DAY).otherwise(0),
        )

    monkeypatch.setattr(Shop, "change", staticmethod(other_future))
    after = prepared(**{name: ALL[name]})
    assert (after.sequences.role == before.sequences.role).all()
    assert (after.sequences.items != before.sequences.items).any()
    assert_frame_equal(after.catalog.users, before.catalog.users)
    assert_frame_equal(after.catalog.items, before.catalog.items)


def test_users_who_never_train_have_done_nothing_and_are_unknown() -> None:
    data = prepared(split=ColdUsers(0.2, 0.2))
    owner = np.repeat(np.arange(len(data.sequences.users)), np.diff(data.sequences.offsets))
    cold = np.setdiff1d(owner, owner[data.sequences.role == 0])
    rows = data.catalog.users[cold]
    assert (len(cold), rows["activity"].to_list()) == (16, [0] * 16)
    for column in ("recency_days", "price_taste", "category_taste"):
        assert rows[column].null_count() == 16


def test_columns_are_known_before_and_kept_in_the_cache(cache: Path) -> None:
    data = prepared(cache=True)
    assert data.item_columns == tuple(data.catalog.items.columns)
    assert data.user_columns == tuple(data.catalog.users.columns)
    assert data.facts.features == [repr(feature) for feature in ALL.values()]
    again = prepared(cache=True)
    assert_frame_equal(again.catalog.users, data.catalog.users)
    assert_frame_equal(again.catalog.items, data.catalog.items)
    assert again.tables.items.columns == list(Shop.item_columns)  # the canonical tables stay what they are
    keys = {prepared(cache=True, recent=RecentPopularity([n])).facts.key for n in (1, 2)}
    assert len(keys | {data.facts.key}) == 3
    assert "`RecentPopularity(days=[2, 9])`" in (place_of(data.facts.key) / "card.md").read_text()


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (
            {"price_taste": PriceTaste("prize")},
            "data.features.price_taste needs the column prize of the items, and their columns are item, title, year",
        ),
        ({"x": CategoryTaste("tags")}, "data.features.x needs the column tags of the items, and their columns are"),
        ({"a": Activity(), "b": Activity()}, "data.features.b makes the column activity of the users, and there is"),
    ],
)
def test_what_cannot_be_computed_is_refused_before_data_are_read(features: dict[str, Feature], text: str) -> None:
    data = RecData(Shop(), LeaveOneOut(), 10, features=features)
    data.source.fetch = None  # type: ignore[method-assign, assignment]
    for ask in (lambda: data.item_columns, lambda: data.user_columns, data.prepare):
        with pytest.raises(ValueError, match=re.escape(text)):
            ask()


@pytest.mark.parametrize("feature", [Recency(), RecentPopularity(), ItemAge()], ids=lambda f: type(f).__name__)
def test_data_without_time(feature: Feature) -> None:
    with pytest.raises(
        ValueError, match=r"needs the column timestamp, and the data have none, only an order\. Name it"
    ):
        feature(pl.DataFrame({"user": [1], "item": [2], "order": [0]}), Catalog.empty([]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: CategoryTaste(top=0), "data.features.*.top must be at least 1, got 0. Set it."),
        (lambda: RecentPopularity([]), "days must be positive and each once, got []. Set it."),
        (lambda: RecentPopularity([7, 0]), "days must be positive and each once, got [7, 0]."),
        (lambda: RecentPopularity([7, 7]), "days must be positive and each once, got [7, 7]."),
        (lambda: prepared(p=PriceTaste("title")), "must name numbers of the items, and title holds String. Set it."),
        (lambda: prepared(c=CategoryTaste("price")), "must name texts, or lists of texts, of the items, and price"),
        (
            lambda: RecData(Shop(), LeaveOneOut(), 10, features={"x": {"top": 3}}),  # type: ignore[dict-item]
            "data.features.x must be a part, got {'top': 3}. Give it a _target_ (and data _convert_: all).",
        ),
    ],
)
def test_options(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_a_category_of_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    items = pl.DataFrame({"item": [1, 2, 3], "kind": ["b", "a", None]})
    events = pl.DataFrame({"user": [7, 7, 8, 9], "item": [1, 2, 1, 3]})
    found = CategoryTaste("kind", top=1)(events, replace(Catalog.empty([]), items=items))
    assert found.rows() == [(7, ["a"]), (8, ["b"])]


@pytest.mark.parametrize("choice", members("data/features"))
def test_every_choice_computes_what_it_names(choice: str) -> None:
    made = instantiate(composed("data", "synthetic", f"data/features={choice}")).features
    shop = {"category_taste": CategoryTaste("genres")} if choice == "shop" else {}
    data = RecData(Shop(users=20), LeaveOneOut(), 10, cache=False, features=made | shop)
    data.prepare()
    assert data.item_columns == tuple(data.catalog.items.columns)
    assert data.user_columns == tuple(data.catalog.users.columns)
    assert (choice == "none") == (made == {})

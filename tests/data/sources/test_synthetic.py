from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import ITEM, TIMESTAMP, USER, Tables
from rec_lightning.data.sources.synthetic import Synthetic


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Synthetic(users=2000, items=400, events_per_user=40, tastes=8, seed=1).fetch()


def test_equal_seeds_give_equal_data_and_others_do_not() -> None:
    first, again, other = (Synthetic(users=20, items=20, seed=s).fetch() for s in (3, 3, 4))
    assert first.interactions.equals(again.interactions)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_sizes_are_as_asked(tables: Tables) -> None:
    assert (tables.users.height, tables.items.height) == (2000, 400)
    count = tables.interactions.group_by(USER).len()
    assert count.height == 2000
    assert count["len"].min() >= 3  # type: ignore[operator]
    assert 39 < count["len"].mean() < 41  # type: ignore[operator]
    assert set(tables.interactions[ITEM]) <= set(tables.items[ITEM])
    assert tuple(tables.items.columns) == Synthetic.item_columns
    assert tuple(tables.users.columns) == Synthetic.user_columns


def test_time_never_runs_backwards_for_a_user(tables: Tables) -> None:
    steps = tables.interactions.select(pl.col(TIMESTAMP).diff().over(USER)).drop_nulls().to_series()
    assert steps.min() >= 0  # type: ignore[operator]


def test_popularity_falls_off_like_zipf_inside_a_taste(tables: Tables) -> None:
    events = tables.interactions.join(tables.items.select(ITEM, taste=pl.col("genres").list.first()), on=ITEM)
    for _, part in events.group_by("taste"):
        count = part.group_by(ITEM).len()["len"].sort(descending=True).to_numpy()
        # slope of log count over log rank, on the ranks that are counted well
        slope = np.polyfit(np.log(np.arange(1, 21)), np.log(count[:20]), 1)[0]
        assert -1.15 < slope < -0.85


def test_the_order_tells_the_next_taste(tables: Tables) -> None:
    taste = tables.items.select(ITEM, taste=pl.col("genres").list.first())
    events = tables.interactions.join(taste, on=ITEM, maintain_order="left")
    pairs = events.select(USER, now="taste", then=pl.col("taste").shift(-1).over(USER)).drop_nulls()
    table = pairs.group_by("now", "then").len().with_columns(share=pl.col("len") / pl.col("len").sum().over("now"))
    stays, moves = (table.sort("share", descending=True).group_by("now", maintain_order=True).agg("share"))["share"][
        0
    ].to_list()[:2]
    assert stays > 0.5  # chance is 1 / 8
    assert moves > 0.12  # the next taste of the ring; every other one about .02
    best = table.group_by("now").agg(pl.col("share").max())["share"].mean()
    shuffled = pairs.with_columns(pl.col("then").shuffle(0)).group_by("now", "then").len()
    chance = shuffled.group_by("now").agg(pl.col("len").max() / pl.col("len").sum())["len"].mean()
    assert best > 3 * chance  # type: ignore[operator]


def test_the_text_names_the_taste(tables: Tables) -> None:
    word = tables.items["title"].str.split(" ").list.get(1)
    assert word.equals(tables.items["genres"].list.first(), check_names=False)
    assert word.n_unique() == 8


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"users": 0}, "data.source.users must be at least 1, got 0. Set data.source.users."),
        ({"tastes": 1}, "data.source.tastes must be at least 2, got 1. Set data.source.tastes."),
        ({"items": 7, "tastes": 8}, "data.source.items must be at least 8, got 7. Set data.source.items."),
        ({"events_per_user": 2}, "data.source.events_per_user must be at least 3, got 2. Set"),
        ({"tastes": 17}, "data.source.tastes must be at most 16, the words that name them, got 17. Set"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Synthetic(**options)

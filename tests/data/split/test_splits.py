"""The splits by share, time, chance, coldness and column; and the one rule that all must keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Split
from rec_lightning.data.batches import EvalBatches, TrainBatches
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.cold_items import ColdItems
from rec_lightning.data.split.cold_users import ColdUsers
from rec_lightning.data.split.given import Given
from rec_lightning.data.split.global_time import GlobalTime
from rec_lightning.data.split.k_fold import KFold
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from rec_lightning.data.split.random_share import RandomShare
from rec_lightning.data.split.temporal_ratio import TemporalRatio
from rec_lightning.data.tables import sort_events, to_sequences

SPLITS: list[Split] = [
    LeaveOneOut(),
    TemporalRatio(),
    GlobalTime(),
    GlobalTime(validation="2020-10-01", test="2020-10-08"),
    RandomShare(),
    ColdItems(),
    ColdUsers(),
    KFold(),
    KFold(4, 3, of="users"),
]
TABLES = Synthetic(users=80, items=60, seed=2).fetch()
EVENTS = sort_events(TABLES.interactions)
OFFSETS = np.concatenate([[0], np.cumsum(EVENTS.group_by("user", maintain_order=True).len()["len"].to_numpy())]).astype(
    np.int64
)


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_every_split_gives_all_parts_the_same_way_every_time(split: Split) -> None:
    role = split(OFFSETS, EVENTS)
    assert role.dtype == np.int8
    assert role.shape == (EVENTS.height,)
    assert {0, 1, 2} <= set(role.tolist()) <= {0, 1, 2, 3}
    assert (role == split(OFFSETS, EVENTS)).all()
    assert type(split).__name__ in repr(split)
    assert isinstance(split.leaks, str)


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_training_sees_no_target_and_inputs_no_later_part(split: Split) -> None:
    sequences, catalog = to_sequences(TABLES, split)
    assert catalog.popularity.sum() == (sequences.role == 0).sum()
    trained = sum(int((batch.target > 0).sum()) for batch in TrainBatches(sequences, 10, 16, 0))
    owner = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))
    count = np.bincount(owner[sequences.role == 0], minlength=len(sequences.users))
    assert trained == np.maximum(count - 1, 0).sum()
    for role in (1, 2):
        events = np.flatnonzero(sequences.role == role)
        allowed = (sequences.role <= role) | (sequences.role == 3)
        before = np.array([allowed[sequences.offsets[owner[e]] : e].sum() for e in events])
        lengths = np.concatenate([batch.length.numpy() for batch in EvalBatches(sequences, role, 1000, 16)])
        assert lengths.tolist() == sorted(before[before > 0].tolist())  # short histories come first


@pytest.mark.parametrize("split", [RandomShare(), KFold()], ids=str)
def test_splits_over_events_by_chance_say_that_they_leak_and_do(split: Split) -> None:
    assert split.leaks == "training holds the user's own events from after the tested one"
    sequences, _ = to_sequences(TABLES, split)
    owner = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))
    last = {role: np.maximum.reduceat(np.where(sequences.role == role, np.arange(len(owner)), -1), OFFSETS[:-1])
            for role in (0, 2)}  # fmt: skip
    assert (last[0] > last[2])[last[2] >= 0].mean() > 0.5


@pytest.mark.parametrize("split", [s for s in SPLITS if s.leaks == ""], ids=str)
def test_a_split_without_a_leak_trains_on_nothing_after_the_first_target(split: Split) -> None:
    role, time = split(OFFSETS, EVENTS), EVENTS["timestamp"].to_numpy()
    assert time[role == 0].max() < time[role == 1].min()
    assert time[role == 1].max() < time[role == 2].min()


def test_temporal_ratio_rounds_down_and_keeps_the_order() -> None:
    role = TemporalRatio(0.1, 0.1)(np.array([0, 30, 39]), pl.DataFrame({"item": range(39)}))
    assert role.tolist() == [0] * 24 + [1] * 3 + [2] * 3 + [0] * 9


def test_ties_at_a_cut_are_after_it() -> None:
    events = pl.DataFrame({"timestamp": [1, 2, 2, 2, 3, 3, 4, 4, 4, 4]})
    role = GlobalTime(0.3, 0.2)(np.array([0, 10]), events)
    assert role.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_shares_are_met() -> None:
    for split in (GlobalTime(0.1, 0.2), RandomShare(0.1, 0.2)):
        share = np.bincount(split(OFFSETS, EVENTS), minlength=3) / EVENTS.height
        assert share == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


def test_cold_items_never_train() -> None:
    role = ColdItems(0.1, 0.2)(OFFSETS, EVENTS)
    parts = [set(EVENTS.filter(role == part)["item"]) for part in range(3)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert [len(part) for part in parts[1:]] == [6, 12]


def test_cold_users_never_train_and_are_asked_once() -> None:
    role = ColdUsers(0.1, 0.2)(OFFSETS, EVENTS)
    parts = [set(EVENTS.filter(role == part)["user"]) for part in range(4)]
    assert not parts[0] & (parts[1] | parts[2] | parts[3])
    assert (role == 1).sum() == len(parts[1]) == 8
    assert (role == 2).sum() == len(parts[2]) == 16


@pytest.mark.parametrize("of", ["events", "users"])
def test_every_fold_is_tested_and_validated_once(of: Any) -> None:
    roles = np.stack([KFold(7, fold, of)(OFFSETS, EVENTS) for fold in range(7)])  # (folds, E)
    drawn = roles if of == "events" else roles[:, OFFSETS[1:] - 1]
    for role in (1, 2):
        assert ((drawn == role).sum(0) == 1).all()
        sizes = (drawn == role).sum(1)
        assert sizes.max() - sizes.min() <= 1
    assert ((roles == 1) == np.roll(roles == 2, -1, axis=0)).all()  # the next fold validates
    assert ((roles == 0).sum(0) == 5).all()  # a drawn user's earlier events train in the other folds


def test_folds_of_users_never_train_and_are_asked_once() -> None:
    role = KFold(5, 1, "users")(OFFSETS, EVENTS)
    parts = [set(EVENTS.filter(role == part)["user"]) for part in range(4)]
    assert not parts[0] & (parts[1] | parts[2] | parts[3])
    assert parts[3] == parts[1] | parts[2]
    assert (len(parts[1]), len(parts[2])) == (16, 16)
    assert ((role == 1).sum(), (role == 2).sum()) == (16, 16)


def test_folds_are_prepared_and_found_again_each_by_itself(cache: Path) -> None:
    targets = {}
    for fold in (0, 1, 0):
        data = RecData(Synthetic(users=30), KFold(5, fold), max_length=10)
        data.prepare()
        rows = np.flatnonzero(data.sequences.role == 2)
        assert targets.setdefault(fold, rows).tolist() == rows.tolist()
        assert "own events" in data.facts.leaks
        assert sum(len(batch) for batch in data.test_dataloader()) <= len(rows)
    assert not set(targets[0]) & set(targets[1])
    assert len(list((cache / "prepared").iterdir())) == 2


def test_seeds_decide_where_chance_does() -> None:
    for make in (RandomShare, ColdItems, ColdUsers, KFold, partial(KFold, of="users")):
        assert (make(seed=1)(OFFSETS, EVENTS) != make(seed=2)(OFFSETS, EVENTS)).any()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TemporalRatio(0.0, 0.1), "data.split.validation must be between 0 and 1, both excluded, got 0.0."),
        (lambda: RandomShare(0.1, 1.0), "data.split.test must be between 0 and 1, both excluded, got 1.0."),
        (lambda: ColdItems(0.5, 0.5), "must be less than 1 together, got 0.5 and 0.5. Lower one."),
        (lambda: GlobalTime("2020-01-01", 0.1), "must be two shares or two dates, got 2020-01-01 and 0.1. Set both."),
        (
            lambda: GlobalTime("2020-01-02", "2020-01-01"),
            "validation must begin before data.split.test, got 2020-01-02",
        ),
        (lambda: KFold(2), "data.split.folds must be at least 3, for training, validation and test, got 2. Set"),
        (lambda: KFold(5, 5), "data.split.fold must be 0..folds - 1 (4), got 5. Set data.split.fold."),
        (lambda: KFold(5, -1), "data.split.fold must be 0..folds - 1 (4), got -1."),
        (lambda: GlobalTime("soon", "later"), "data.split.validation must be a date such as 2014-01-31, got 'soon'"),
    ],
)
def test_options_out_of_range(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


@pytest.mark.parametrize(
    ("split", "events", "text"),
    [
        (
            GlobalTime(),
            {"item": [1], "order": [1]},
            "needs the column timestamp, and the data have none, only an order.",
        ),
        (KFold(3), {"item": [1, 2]}, "data.split.folds must be at most the number of events (2), got 3. Lower it."),
        (KFold(3, of="users"), {"item": [1, 2]}, "must be at most the number of users (1), got 3. Lower it."),
        (
            Given(),
            {"item": [1]},
            "the given split must be a column of the interactions (item), got part. Set data.split",
        ),
        (Given(), {"part": ["train", "tset"]}, "part must be one of train, validation, test, input in every row, got"),
        (
            Given(),
            {"part": ["train", None]},
            "part must be one of train, validation, test, input in every row, got None",
        ),
    ],
)
def test_data_that_do_not_fit(split: Split, events: dict[str, list[Any]], text: str) -> None:
    frame = pl.DataFrame(events)
    with pytest.raises(ValueError, match=re.escape(text)):
        split(np.array([0, frame.height]), frame)


def test_time_that_contradicts_the_order_is_refused() -> None:
    tables = Synthetic(users=3).fetch()
    order = tables.interactions.with_columns(order=pl.int_range(pl.len(), 0, -1))
    with pytest.raises(ValueError, match=r"time must not run backwards along the column order, and it does \d+ times"):
        to_sequences(type(tables)(**(vars(tables) | {"interactions": order})), LeaveOneOut())


def test_little_validation_leaves_more_training_and_the_same_tests() -> None:
    events = pl.DataFrame({"item": range(1000)})
    for fold in range(5):
        few, whole = (KFold(5, fold, validation=share)(np.array([0, 1000]), events) for share in (0.05, None))
        assert ((few == 2) == (whole == 2)).all()
        assert (few == 1).sum() == 40
        assert (few == 0).sum() == 760
    with pytest.raises(ValueError, match=r"^data.split.validation must be between 0 and 1, both excluded, got 1\. Set"):
        KFold(validation=1)

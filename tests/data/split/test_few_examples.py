"""Few events train, the test stays, and nothing that is tested is read before."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.few_examples import FewExamples
from rec_lightning.data.split.temporal_ratio import TemporalRatio

OFFSETS = np.arange(0, 1001, 50)  # 20 users of 50 events
EVENTS = pl.DataFrame({"item": range(1000)})
SMALL = {"validation": 20, "users": 5, "asked": 4}


def where(role: int, train: int | None = 16, seed: int = 0) -> set[int]:
    return set(np.flatnonzero(FewExamples(train, **SMALL, seed=seed)(OFFSETS, EVENTS) == role).tolist())


def test_as_many_as_asked_for_and_each_where_it_belongs() -> None:
    cut = TemporalRatio(0.1, 0.2)(OFFSETS, EVENTS)
    for role, count in ((0, 16), (1, 20), (2, 20)):
        assert len(where(role)) == count
        assert set(cut[sorted(where(role))]) == {role}
    assert where(0, None) == set(np.flatnonzero(cut == 0).tolist())
    assert {event % 50 for event in where(2)} == {40, 41, 42, 43}


def test_a_small_draw_lies_in_a_large_one_and_the_test_never_moves() -> None:
    assert where(0, 16) < where(0, 64)
    assert where(0, 16) != where(0, 16, seed=1)
    assert where(2) == where(2, 64, seed=1)


def test_the_test_rows_of_a_user_share_a_history_without_them() -> None:
    data = RecData(Synthetic(users=40, events_per_user=60), FewExamples(16, 8, 6, 5), 9, inputs="train", cache=False)
    data.prepare()
    data.label_events(AtLeast())
    (batch,) = data.test_dataloader()
    for user in batch.user.unique():
        own = batch.history[batch.user == user]
        assert len(own) == 5
        assert (own == own[0]).all()
        assert batch.feedback is not None
        assert not batch.feedback[batch.user == user].isnan().any()
    assert len(next(iter(data.train_dataloader()))) == 16


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda: FewExamples(0), "^data.split.train must be at least 1, got 0. Set data.split.train.$"),
        (lambda: FewExamples(users=99)(OFFSETS, EVENTS), "^data.split.users must be at most 20 here, got 99. Set"),
        (lambda: FewExamples(users=1)(OFFSETS, EVENTS), "^data.split.validation must be at most 100 here, got 256"),
    ],
)
def test_refusals(split: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split()  # type: ignore[operator]

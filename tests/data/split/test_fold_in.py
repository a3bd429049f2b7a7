"""Held-out users: most of each is input, the rest is asked, and the input is the same for every target of a user."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Sequences
from rec_lightning.data.batches import EvalBatches, TrainBatches
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.fold_in import FoldIn

OFFSETS = np.concatenate([[0], np.cumsum(np.arange(3, 43))])
EVENTS = pl.DataFrame({"item": np.arange(OFFSETS[-1]) + 1})


@pytest.mark.parametrize("by", ["chance", "time"])
def test_who_is_held_out_never_trains_and_a_fifth_is_asked(by: str) -> None:
    split = FoldIn(0.2, 0.2, by=by)  # type: ignore[arg-type]
    role = split(OFFSETS, EVENTS)
    assert (role == split(OFFSETS, EVENTS)).all()
    parts = {0: 0, 1: 0, 2: 0}
    for first, end in pairwise(OFFSETS):
        own = role[first:end]
        asked = set(own.tolist()) - {0, 3}
        assert len(asked) < 2
        if 0 in own:
            assert (own == 0).all()
            parts[0] += 1
            continue
        count = int((own != 3).sum())
        assert count == (end - first) // 5
        if by == "time":
            assert (own[: end - first - count] == 3).all()
        if asked:
            parts[asked.pop()] += 1
    assert parts[0] == 24
    assert parts[1] + parts[2] in (15, 16)  # one may have too few events to be asked
    assert ("the input the user's own" in split.leaks) == (by == "chance")


def test_every_target_of_a_user_meets_the_same_input() -> None:
    role = FoldIn(0.2, 0.2)(OFFSETS, EVENTS)
    data = Sequences(EVENTS["item"].to_numpy(), OFFSETS, role, pl.Series(range(40)))
    rows = list(EvalBatches(data, 2, 100, 7, inputs="rest"))
    users = torch.cat([batch.user for batch in rows])
    assert len(users) == (role == 2).sum()
    assert len(torch.unique_consecutive(users)) == len(users.unique())  # those of one user stand together
    for batch in rows:
        for row, user in enumerate(batch.user.tolist()):
            own = slice(OFFSETS[user], OFFSETS[user + 1])
            assert batch.history[row, : batch.length[row]].tolist() == data.items[own][role[own] == 3].tolist()
    trained = torch.cat([batch.history.flatten() for batch in TrainBatches(data, 100, 8, 0)]).unique()
    assert not set(trained.tolist()) & set(data.items[role != 0].tolist())


def test_refusals() -> None:
    text = "data.split.asked must be between 0 and 1, both excluded, got 1. Set data.split.asked."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        FoldIn(asked=1)
    data = RecData(Synthetic(users=40, items=30), FoldIn(), 10, inputs="rest", cache=False)
    with pytest.raises(ValueError, match=r"^data.inputs must be past or train .*, got rest. Set data.inputs"):
        data.label_events(AtLeast(column="rating", least=4))

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rec_lightning.data.split import LeaveOneOut


def test_by_hand() -> None:
    offsets = np.array([0, 5, 8, 10, 11])  # users with 5, 3, 2 and 1 events
    role = LeaveOneOut()(offsets, pl.DataFrame({"item": range(11)}))
    assert role.tolist() == [0, 0, 0, 1, 2, 0, 1, 2, 0, 2, 0]
    assert role.dtype == np.int8


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_no_future_in_the_past(lengths: list[int]) -> None:
    offsets = np.cumsum([0, *lengths])
    role = LeaveOneOut()(offsets, pl.DataFrame({"item": range(offsets[-1])}))
    for begin, end in pairwise(offsets):
        own = role[begin:end]
        assert (np.diff(own) >= 0).all()  # train, then validation, then test
        assert (own == 2).sum() == (len(own) >= 2)
        assert (own == 1).sum() == (len(own) >= 3)

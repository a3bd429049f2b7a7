"""The same targets for every share, and shares inside each other."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rec_lightning.data.split.few_users import FewUsers
from rec_lightning.data.split.leave_one_out import LeaveOneOut

OFFSETS = np.arange(0, 501, 5)  # 100 users of 5 events
EVENTS = pl.DataFrame({"item": range(500)})


def users(share: float, seed: int = 0) -> set[int]:
    """Those that train."""
    trains = (FewUsers(share, seed)(OFFSETS, EVENTS) == 0).reshape(100, 5)[:, :3]
    return set(np.flatnonzero(trains.all(1)))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 1.0])
def test_all_are_evaluated_and_a_share_trains(share: float) -> None:
    role, whole = FewUsers(share)(OFFSETS, EVENTS), LeaveOneOut()(OFFSETS, EVENTS)
    for part in (1, 2):
        assert (np.flatnonzero(role == part) == np.flatnonzero(whole == part)).all()
    assert (role == 0).sum() == 3 * len(users(share)) == 3 * round(100 * share)
    assert set(role[whole == 0]) <= {0, 3}


def test_shares_lie_inside_each_other() -> None:
    assert users(0.01) < users(0.1) < users(0.5) < users(1.0)
    assert users(0.1) != users(0.1, seed=1)
    assert len(users(1e-6)) == 1


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_out_of_range(share: float) -> None:
    with pytest.raises(
        ValueError, match=rf"^data.split.share must be in \(0, 1\], got {share}. Set data.split.share.$"
    ):
        FewUsers(share)

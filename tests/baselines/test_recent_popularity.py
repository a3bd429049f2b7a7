"""Windows by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.baselines.recent_popularity import RecentPopularity
from rec_lightning.contracts import Batch, Catalog, Sequences

DAY = 86_400
# a: x day 0, y 1, y 5 | z 6, z 9;  b: x 2, x 3, z 4 | y 7, y 8;  a validation event lies between c's training events
ITEMS = np.array([1, 2, 2, 3, 3, 1, 1, 3, 2, 2, 1, 3, 2, 2])
ROLE = np.array([0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 1, 0, 2], np.int8)
DAYS = np.array([0, 1, 5, 6, 9, 2, 3, 4, 7, 8, 1, 2, 3, 4])


@pytest.fixture
def known() -> tuple[Sequences, Catalog]:
    sequences = Sequences(ITEMS, np.array([0, 5, 10, 14]), ROLE, pl.Series(["a", "b", "c"]), DAYS * DAY)
    return sequences, Catalog(pl.DataFrame({"item": ["x", "y", "z"]}), np.bincount(ITEMS[ROLE == 0], minlength=4))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"events": 1}, [0, 0, 2, 1]),  # a y, b z, c y
        ({"events": 2}, [0, 2, 3, 1]),  # a y y, b x z, c x y
        ({"events": 99}, [0, 4, 3, 1]),
        ({"days": 1}, [0, 0, 1, 0]),  # after day 4: a's y
        ({"days": 2.5}, [0, 1, 2, 1]),  # after day 2.5: b's x and z, c's y, a's y
        ({"days": 99}, [0, 4, 3, 1]),
    ],
)
def test_counts_inside_the_window(
    options: dict[str, Any],
    expected: list[int],
    known: tuple[Sequences, Catalog],
    evaluation: Callable[..., list[Batch]],
) -> None:
    recent = RecentPopularity(**options)
    recent.fit(*known)
    (batch,) = evaluation(known[0])
    assert recent.scores(batch).tolist() == [expected] * 3


def test_days_without_times_are_refused(known: tuple[Sequences, Catalog]) -> None:
    text = "baseline.days must be null where the data have no times, got 7. Set baseline.days=null and baseline.events."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        RecentPopularity(days=7).fit(replace(known[0], timestamp=None), known[1])


@pytest.mark.parametrize("options", [{}, {"days": 7, "events": 3}])
def test_exactly_one_window(options: dict[str, int]) -> None:
    text = f"got days={options.get('days')} and events={options.get('events')}. Set the other to null."
    with pytest.raises(ValueError, match=re.escape(f"one of baseline.days and baseline.events must be set, {text}")):
        RecentPopularity(**options)


@pytest.mark.parametrize("name", ["days", "events"])
def test_values_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"^baseline.{name} must be positive, got 0. Set baseline.{name}.$"):
        RecentPopularity(**{name: 0})

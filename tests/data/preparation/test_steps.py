"""Every step by hand; what no step may do."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_lightning.contracts import Step
from rec_lightning.data.preparation.apply import apply_steps
from rec_lightning.data.preparation.complete import Complete
from rec_lightning.data.preparation.dates import Dates
from rec_lightning.data.preparation.deduplicate import Deduplicate
from rec_lightning.data.preparation.k_core import KCore
from rec_lightning.data.preparation.rating_label import RatingLabel
from rec_lightning.data.preparation.values import Values

EVENTS = pl.DataFrame(
    {
        "user": [1, 1, 1, 2, 2, None],
        "item": ["a", "a", "b", "a", "c", "c"],
        "timestamp": [10.0, 10.0, 86_400.0, 5.0, float("nan"), 7.0],
        "rating": [5.0, 5.0, 3.0, None, 4.0, 1.0],
    }
).with_row_index("row")


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        (Deduplicate(["user", "item", "timestamp", "rating"]), [0, 2, 3, 4, 5]),
        (Deduplicate(["item"]), [0, 2, 4]),
        (Deduplicate(), [0, 1, 2, 3, 4, 5]),  # the row numbers differ
        (Complete(["user"]), [0, 1, 2, 3, 4]),
        (Complete(["timestamp"]), [0, 1, 2, 3, 5]),
        (Complete(), [0, 1, 2]),
        (Values("rating", least=4), [0, 1, 4]),
        (Values("rating", least=3, most=4.5), [2, 4]),
        (Values("item", among=["b", "c"]), [2, 4, 5]),
        (Dates(start="1970-01-02"), [2, 4]),  # NaN counts as large: Complete takes it out
        (Dates(start="1970-01-01T00:00:06", end="1970-01-01T01:00:10+01:00"), [5]),
        (RatingLabel(4), [0, 1, 4]),
        (RatingLabel(4, keep_negative=True), [0, 1, 2, 4, 5]),
    ],
)
def test_by_hand(step: Step, rows: list[int]) -> None:
    before = EVENTS.clone()
    after = step(EVENTS)
    assert after["row"].to_list() == rows  # and in order
    assert EVENTS.equals(before)
    assert "(" in repr(step)


@pytest.mark.parametrize(
    "step", [Deduplicate(), Complete(), Values("rating", most=2), Dates(end="2000-01-01"), RatingLabel(4), KCore()]
)
def test_no_event_is_left_of_none(step: Step) -> None:
    assert step(EVENTS.clear()).is_empty()


pairs = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcde")), max_size=40)


@given(pairs, st.integers(1, 4), st.integers(2, 4), st.booleans())
def test_k_core_is_the_largest_part_in_which_all_have_enough(
    events: list[tuple[int, str]], users: int, items: int, far: bool
) -> None:
    frame = pl.DataFrame(events, schema=["user", "item"], orient="row", schema_overrides={"user": pl.Int64})
    frame = frame.with_columns(pl.col("user") * (10**12 if far else 1)).with_row_index("row")
    after = KCore(users, items)(frame)
    left = list(enumerate(events))
    while True:  # one at a time, in plain Python
        of_user, of_item = Counter(u for _, (u, _) in left), Counter(i for _, (_, i) in left)
        few = [e for e in left if of_user[e[1][0]] < users or of_item[e[1][1]] < items]
        if not few:
            break
        left.remove(few[-1])
    assert after["row"].to_list() == [row for row, _ in left]


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (KCore, {"users": 0}, "data.prepare.k_core.users must be at least 1, got 0."),
        (KCore, {"users": 1, "items": 1}, "data.prepare.k_core of 1 and 1 has no effect. Raise one, or leave"),
        (Values, {"column": "x"}, "a filter of x needs least, most or among, got none. Set one."),
        (Values, {"column": "x", "least": 3, "most": 2}, "least must be at most most, got 3 and 2 for x."),
        (Dates, {}, "data.prepare.dates needs start or end, got neither. Set one."),
        (Dates, {"start": "yesterday"}, "data.prepare.dates.start must be a date such as 2014-01-31, got 'yesterday'"),
        (Dates, {"start": "2014-01-02", "end": "2014-01-02"}, "dates.start must be before end, got 2014-01-02 and"),
    ],
)
def test_options_out_of_range(make: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make(**options)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (
            Values("ratng", least=1),
            "(row, user, item, timestamp, rating), got ratng; nearest: rating. Set data.prepare",
        ),
        (Deduplicate(["usr"]), "data.prepare.deduplicate.columns must name columns of the interactions"),
        (Values("item", least=1), "item holds String, which cannot be compared with the filter's values"),
    ],
)
def test_columns_that_do_not_fit(step: Step, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        step(EVENTS)


def test_the_report_counts_what_each_step_removed() -> None:
    steps = {"complete": Complete(["user"]), "k_core": KCore(2, 2)}
    after, report = apply_steps(EVENTS, steps, "tiny")
    assert after["row"].to_list() == [0, 1]
    assert [removal.plain() for removal in report] == [
        {"step": "complete(columns=['user'])", "events": 5, "users": 2, "items": 3, "removed": 1},
        {"step": "k_core(users=2, items=2)", "events": 2, "users": 1, "items": 1, "removed": 3},
    ]


def test_nothing_to_begin_with_is_not_blamed_on_a_filter() -> None:
    with pytest.raises(ValueError, match=r"^tiny has no interactions, before any filter\. Check the file\.$"):
        apply_steps(EVENTS.clear(), {"complete": Complete()}, "tiny")


def test_nothing_left_says_which_step_removed_how_much() -> None:
    steps = {"complete": Complete(["user"]), "good": Values("rating", least=9), "k_core": KCore()}
    with pytest.raises(ValueError, match="is empty") as caught:
        apply_steps(EVENTS, steps, "tiny")
    assert str(caught.value) == (
        "tiny is empty after its filters: complete(columns=['user']) removed 1, left 5; good(column='rating', "
        "least=9, most=None, among=None) removed 5, left 0. Relax data.prepare.good."
    )

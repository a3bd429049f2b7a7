"""What each label reads, and what it refuses."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Catalog, Tables
from rec_lightning.data.labelled import Labelled
from rec_lightning.data.labels.at_least import AtLeast
from rec_lightning.data.labels.classes import Classes
from rec_lightning.data.labels.clicked import Clicked
from rec_lightning.data.labels.rating import Rating
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from rec_lightning.data.tables import to_sequences


def made(**columns: object) -> Tables:
    """Two users with three events each, their rows not in the order of time."""
    events = pl.DataFrame({"user": [2, 1, 2, 1, 2, 1], "item": range(6), "timestamp": [30, 1, 20, 2, 10, 3], **columns})
    empty = pl.DataFrame(schema={"item": pl.Int64}), pl.DataFrame(schema={"user": pl.Int64})
    return Tables(events, *empty, "made", "none", "here", "0")


def labelled(label: object, tables: Tables) -> Labelled:
    sequences, catalog = to_sequences(tables, LeaveOneOut())
    return Labelled(label, tables, sequences, catalog)  # type: ignore[arg-type]


def test_labels_stand_beside_their_events_in_the_order_of_the_sequences() -> None:
    tables = made(rating=[1, 5, 2, 4, 3, 3])
    sequences, _ = to_sequences(tables, LeaveOneOut())
    found = labelled(Rating(), tables).labels
    item_of = dict(zip(range(6), [1, 5, 2, 4, 3, 3], strict=True))  # item -> rating
    assert found.tolist() == [item_of[int(i) - 1] for i in sequences.items] == [5, 4, 3, 3, 2, 1]


def test_context_is_what_nobody_said() -> None:
    tables = made(rating=[1, 5] * 3, label=[1] * 6, device=["a", "b"] * 3, dwell=[0.5] * 6)
    events: Catalog = labelled(Rating(column="dwell", low=0, high=1, step=None), made(dwell=[0.1, 0.9] * 3)).catalog
    assert events.events.columns == ["hour", "weekday", "trains", "known"]
    events = labelled(AtLeast(), tables).catalog
    assert events.events.columns == ["device", "dwell", "hour", "weekday", "trains", "known"]
    assert events.events["trains"].to_list() == [True, False, False] * 2
    assert events.events["weekday"].to_list() == [4] * 6  # 1 January 1970 was a Thursday


@pytest.mark.parametrize(
    ("label", "values", "message"),
    [
        (Rating(), [1, 6, 2, 7, 3, 3], r"labels must lie in label.low..label.high \(1.0..5.0\), and 2 of 6 do not "),
        (
            Rating(),
            [1.0, 2.5, 2.0, 3.0, 3.0, 3.0],
            r"labels must be label.low \(1.0\) plus steps of 1.0, and 1 are not",
        ),
        (AtLeast(), ["a", "b", "c", "d", "e", "f"], "label.column must hold numbers, and rating holds 'b'"),
        (AtLeast(), [4] * 6, r"labels must differ in training, and all 2 of made are 1\. Set another label, or"),
        (Rating(), [3, 1, None, None, 5, 5], "made has no validation events with a label"),
    ],
)
def test_what_is_no_label_is_refused(label: object, values: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labelled(label, made(rating=values))


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"interactions \(timestamp, dwell\), got 'rating'. Set label.column"):
        labelled(AtLeast(), made(dwell=[1] * 6))


def test_a_class_that_is_not_named_is_refused_or_ignored() -> None:
    events = pl.DataFrame({"event": ["buy", "view", "swim", None]})
    with pytest.raises(ValueError, match=r"label.classes must name every word of event, and swim is not among view, b"):
        Classes(["view", "buy"])(events)
    found = Classes(["view", "buy"], others="ignore")(events)
    assert np.array_equal(found, [1, 0, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rating(low=5, high=1), r"label.high must be above label.low \(5\), got 1"),
        (lambda: Rating(step=3), r"label.step must divide 1.0..5.0 into equal parts, got 3"),
        (lambda: Classes(["a"]), r"at least two different words, got \['a'\]"),
        (lambda: Classes(["a", "a"]), r"at least two different words"),
        (lambda: Clicked(0), "label.drawn must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]

"""Leakage: what training or the input knows that it would not know in use.

Relations: ``split.*.leaks`` says what a protocol leaks by design; here is what these data show.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, TIMESTAMP
from rec_lightning.data.audit.finding import Finding, Grade, Subject, share


def leakage(subject: Subject) -> Iterator[Finding]:
    """All findings about leakage."""
    facts, timed = subject.facts, TIMESTAMP in subject.events.columns
    yield Finding(
        "leakage",
        "leak of the protocol",
        "warning" if facts.leaks else "good",
        facts.split,
        facts.leaks or "none by design",
        f"Report it, or choose {'' if timed else 'data with timestamps and '}data/split=global_time."
        if facts.leaks
        else "",
    )
    yield from _repeats(subject)
    yield from _own_future(subject)
    yield _others_future(subject)
    yield from _unknown(subject)
    yield _ties(subject)
    yield from _titles(subject)
    yield from _ordered_ids(subject)


def _graded(part: int, whole: int, note: float, warning: float, failure: float = 2.0) -> Grade:
    value = part / max(whole, 1)
    return "failure" if value > failure else "warning" if value > warning else "note" if value > note else "good"


def _repeats(subject: Subject) -> Iterator[Finding]:
    """Targets that the user already has before, and pairs that are in training and test."""
    frame = pl.DataFrame({"user": subject.owner, "item": np.asarray(subject.sequences.items), "role": subject.role})
    before = frame.select(pl.int_range(pl.len()).over("user", "item") > 0).to_series().to_numpy()
    tests = subject.role == 2
    count, targets = int((before & tests).sum()), int(tests.sum())
    yield Finding(
        "leakage",
        "target among the inputs",
        _graded(count, targets, 0, 0.01, 0.2),
        share(count, targets),
        "test targets whose item the user met before: the answer stands in the question",
        "Keep the first event of each pair: data.prepare deduplicate with [user, item]." if count else "",
    )
    train = frame.filter(pl.col("role") == 0).select("user", "item").unique()
    both = frame.filter(pl.col("role") == 2).select("user", "item").join(train, on=["user", "item"], how="semi").height
    yield Finding(
        "leakage",
        "overlap of training and test",
        _graded(both, targets, 0, 0.01, 0.2),
        share(both, targets),
        "test pairs of user and item that are in training too",
        "Keep the first event of each pair: data.prepare deduplicate with [user, item]." if both else "",
    )


def _own_future(subject: Subject) -> Iterator[Finding]:
    """Training events of a user after the user's own test target, in the order of the sequences."""
    place = np.arange(len(subject.role))
    first = np.full(len(subject.sequences.users), len(place))
    tests = subject.role == 2
    np.minimum.at(first, subject.owner[tests], place[tests])
    train = subject.role == 0
    late = int((place[train] > first[subject.owner[train]]).sum())
    yield Finding(
        "leakage",
        "a user's own future in training",
        _graded(late, int(train.sum()), 0, 0, 0.0),
        share(late, int(train.sum())),
        "training events after the same user's first test target",
        "Choose a split in time: data/split=leave_one_out or global_time." if late else "",
    )


def _others_future(subject: Subject) -> Finding:
    if TIMESTAMP not in subject.events.columns:
        return Finding(
            "leakage",
            "events after the cut",
            "warning",
            "unknown",
            "the data have no time, so nobody can tell",
            "Use data with timestamps.",
        )
    time, tests = subject.events[TIMESTAMP].to_numpy(), subject.role == 2
    cut = np.median(time[tests])
    train = subject.role == 0
    late = int((time[train] > cut).sum())
    return Finding(
        "leakage",
        "events after the cut",
        _graded(late, int(train.sum()), 0, 0.1),
        share(late, int(train.sum())),
        "training events later than half of the test targets",
        "Models may know items and fashions of the future: report data/split=global_time beside." if late else "",
    )


def _unknown(subject: Subject) -> Iterator[Finding]:
    role, items = subject.role, np.asarray(subject.sequences.items)
    for name, code in (("items", items), ("users", subject.owner)):
        known = np.zeros(int(code.max()) + 1, bool)
        known[code[role == 0]] = True
        targets = code[role == 2]
        cold = int((~known[targets]).sum())
        yield Finding(
            "leakage",
            f"{name} first seen in test",
            _graded(cold, len(targets), 0, 0.05),
            share(cold, len(targets)),
            f"test targets whose {name[:-1]} has no training event",
            f"Models without features of {name} cannot rank them: report them apart." if cold else "",
        )


def _ties(subject: Subject) -> Finding:
    """Targets whose time equals that of a neighbour in another part: the order of rows decides who is tested."""
    if TIMESTAMP not in subject.events.columns:
        return Finding(
            "leakage",
            "ties that decide the split",
            "warning",
            "unknown",
            "the data have no time, so nobody can tell",
            "Use data with timestamps.",
        )
    time, owner, role = subject.events[TIMESTAMP].to_numpy(), subject.owner, subject.role
    same = (time[1:] == time[:-1]) & (owner[1:] == owner[:-1]) & (role[1:] != role[:-1])
    tests = role == 2
    tied = int((tests[1:] & same).sum() + (tests[:-1] & same).sum())
    return Finding(
        "leakage",
        "ties that decide the split",
        _graded(tied, int(tests.sum()), 0, 0.1),
        share(tied, int(tests.sum())),
        "test targets at the same time as an event of another part; the order of rows in the source decides",
        "The sort is stable, so results repeat here; other tools may test other items." if tied else "",
    )


def _titles(subject: Subject) -> Iterator[Finding]:
    """Texts of an interaction or a user that name the item of the event."""
    items = subject.tables.items
    if "title" not in items.columns:
        return
    title = subject.events.select(ITEM).join(items.select(ITEM, "title"), on=ITEM, how="left", maintain_order="left")[
        "title"
    ]
    tests = subject.role == 2
    users = subject.tables.users
    texts = [(n, c, v) for n, c, v in subject.texts() if n == "interactions"]
    if users.height and "user" in users.columns:
        ids = subject.events.select("user")
        texts += [
            (n, c, ids.join(users.select("user", x=v), on="user", how="left", maintain_order="left")["x"])
            for n, c, v in subject.texts()
            if n == "users"
        ]
    for name, column, values in texts:
        frame = pl.DataFrame({"text": values, "title": title}).filter(tests)
        named = frame.select(
            (pl.col("text").str.to_lowercase().str.contains(pl.col("title").str.to_lowercase(), literal=True))
            & (pl.col("title").str.len_chars() > 3)
        ).to_series()
        count = int(named.fill_null(False).sum())
        yield Finding(
            "leakage",
            f"the target's title in {name}.{column}",
            _graded(count, frame.height, 0, 0.01, 0.05),
            share(count, frame.height),
            "test targets whose title stands in the text beside them",
            f"Leave the column {column} out of what the model reads." if count else "",
        )


def _ordered_ids(subject: Subject) -> Iterator[Finding]:
    """Ids numbered by first appearance tell the future; score ties broken by id would too."""
    for name, code in (("item", np.asarray(subject.sequences.items)), ("user", subject.owner)):
        if TIMESTAMP not in subject.events.columns:
            return
        if not subject.events[name].dtype.is_integer():
            continue
        strength = _agreement(code, subject.events[TIMESTAMP].to_numpy())
        grade: Grade = "warning" if abs(strength) > 0.9 else "note" if abs(strength) > 0.5 else "good"
        yield Finding(
            "leakage",
            f"{name} ids ordered by time",
            grade,
            f"rank correlation {strength:.2f}",
            "between the id and the time of its first event",
            "Never use the id as a feature, and break no ties by it." if grade != "good" else "",
        )


def _agreement(code: NDArray[np.int64], time: NDArray[np.float64]) -> float:
    """Spearman's correlation of codes and their first times."""
    first = pl.DataFrame({"code": code, "time": time}).group_by("code").agg(pl.col("time").min())
    return float(first.select(pl.corr("code", "time", method="spearman")).item() or 0.0) if first.height > 2 else 0.0

"""Quality: schema, completeness, uniqueness, validity, consistency, timeliness, long tail and sparsity.

The dimensions are those of DAMA's "six primary dimensions for data quality assessment" (2013), in the words of
recommendation data. Limits are rules of thumb, stated in the evidence, not truths.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER
from rec_lightning.data.audit.finding import Finding, Subject, share


def quality(subject: Subject) -> Iterator[Finding]:
    """All findings about quality."""
    yield from _completeness(subject)
    yield from _uniqueness(subject)
    yield from _validity(subject)
    yield _consistency(subject)
    yield from _timeliness(subject)
    yield from _tail(subject)


def _completeness(subject: Subject) -> Iterator[Finding]:
    events, items = subject.events, subject.catalog.items
    gaps = sum(events.null_count().row(0))
    yield Finding(
        "quality",
        "completeness of interactions",
        "warning" if gaps else "good",
        f"{share(gaps, events.height * events.width)} cells empty",
        ", ".join(f"{c}: {n}" for c, n in zip(events.columns, events.null_count().row(0), strict=True) if n) or "none",
        "Fill the gaps, or add the step complete to data.prepare." if gaps else "",
    )
    fields = items.drop(ITEM)
    gaps = sum(fields.null_count().row(0)) if fields.width else 0
    empty = fields.width == 0
    much = empty or gaps > 0.2 * max(fields.height * fields.width, 1)
    yield Finding(
        "quality",
        "completeness of item fields",
        "warning" if much else "note" if gaps else "good",
        "no fields" if empty else f"{share(gaps, fields.height * fields.width)} cells empty",
        ", ".join(f"{c.name}: {c.null_count()}" for c in fields.iter_columns() if c.null_count()) or "none",
        "Give an item table: text and features of items need it."
        if much
        else "Fill them, or use texts and features that do without."
        if gaps
        else "",
    )
    fields = subject.catalog.users.drop(USER)
    if fields.width:
        gaps = sum(fields.null_count().row(0))
        yield Finding(
            "quality",
            "completeness of user fields",
            "warning" if gaps > 0.2 * fields.height * fields.width else "note" if gaps else "good",
            f"{share(gaps, fields.height * fields.width)} cells empty",
            ", ".join(f"{c.name}: {c.null_count()}" for c in fields.iter_columns() if c.null_count()) or "none",
            "Complete the user table, or use features of users that do without." if gaps else "",
        )


def _uniqueness(subject: Subject) -> Iterator[Finding]:
    events = subject.events
    twice = int(events.is_duplicated().sum()) if events.width else 0
    yield Finding(
        "quality",
        "exact repetitions",
        "warning" if twice else "good",
        share(twice, events.height),
        "rows equal in all columns",
        "Add the step deduplicate to data.prepare." if twice else "",
    )
    pairs = events.height - events.select(USER, ITEM).n_unique()
    yield Finding(
        "quality",
        "repeated pairs of user and item",
        "note" if pairs else "good",
        share(pairs, events.height),
        "events whose user met the item before; seen items are no candidates, so a repeated target is special",
        "Decide whether repetition is behaviour or noise: data.prepare deduplicate with [user, item]." if pairs else "",
    )


def _validity(subject: Subject) -> Iterator[Finding]:
    events = subject.events
    if RATING in events.columns:
        rating = events[RATING].drop_nulls()
        values = rating.n_unique()
        odd = values > 21 or values == 1
        yield Finding(
            "quality",
            "validity of ratings",
            "warning" if odd else "good",
            f"{values} values, {rating.min()!r}..{rating.max()!r}",
            "a scale has 2 to 21 values",
            "Check the column of the rating." if odd else "",
        )
    titles = subject.catalog.items.get_column("title", default=None)
    if titles is not None and len(titles):
        blank = int((titles.is_null() | (titles.str.strip_chars() == "")).sum())
        yield Finding(
            "quality",
            "validity of titles",
            "warning" if blank > 0.01 * len(titles) else "note" if blank else "good",
            f"{share(blank, len(titles))} empty",
            f"items without a title; {int(titles.drop_nulls().is_duplicated().sum())} share theirs with another item",
            "A text encoder sees nothing there: fill them, or add ids to the items." if blank else "",
        )


def _consistency(subject: Subject) -> Finding:
    known = set(subject.tables.items[ITEM]) if subject.tables.items.height else set()
    without = subject.catalog.size - len(known & set(subject.catalog.items[ITEM]))
    unused = len(known) - (subject.catalog.size - without)
    return Finding(
        "quality",
        "consistency of the tables",
        "warning" if without > 0.01 * subject.catalog.size else "good",
        f"{share(without, subject.catalog.size)} items without a row",
        f"{unused} rows of the item table have no interaction",
        "Complete the item table." if without else "",
    )


def _timeliness(subject: Subject) -> Iterator[Finding]:
    if TIMESTAMP not in subject.events.columns:
        yield Finding(
            "quality",
            "timeliness",
            "warning",
            "no time",
            "the data have an order at most",
            "Without time no split is free of the future: prefer data with timestamps.",
        )
        return
    time = subject.events[TIMESTAMP]
    low, high = (float(time.quantile(q) or 0) for q in (0, 1))
    wrong = int(((time < 0) | (time > datetime.now(UTC).timestamp())).sum())
    told = (
        " to ".join(datetime.fromtimestamp(t, UTC).date().isoformat() for t in (low, high))
        if not wrong
        else "not dates"
    )
    same = int((time == time.mode()[0]).sum())
    bad = wrong or same > 0.5 * len(time)
    yield Finding(
        "quality",
        "timeliness",
        "warning" if bad else "good",
        told,
        f"{wrong} times before 1970 or in the future; the most frequent one has {share(same, len(time))} events",
        "Check data.source.time, the unit of the timestamps." if bad else "",
    )


def gini(count: NDArray[np.int64]) -> float:
    """Inequality of counts: 0 all equal, near 1 one has all.

    Example:
        >>> gini(np.array([5, 5, 5])), round(gini(np.array([0, 0, 0, 10])), 2)
        (0.0, 0.75)
    """
    ordered = np.sort(count)
    total = ordered.sum()
    place = np.arange(1, len(ordered) + 1)
    return (
        float(2 * (place * ordered).sum() / (len(ordered) * total) - (len(ordered) + 1) / len(ordered))
        if total
        else 0.0
    )


def _tail(subject: Subject) -> Iterator[Finding]:
    users, items, events = len(subject.sequences.users), subject.catalog.size, subject.events.height
    density = events / (users * items)
    yield Finding(
        "quality",
        "sparsity",
        "note" if density < 1e-3 else "good",
        f"{100 * density:.3g} % of the matrix",
        f"{users:,} users, {items:,} items, {events:,} interactions",
        "Ids of rare items learn little: texts or a k-core help." if density < 1e-3 else "",
    )
    count = np.bincount(subject.sequences.items, minlength=items + 1)[1:]
    head = np.sort(count)[::-1][: max(1, items // 10)].sum() / max(count.sum(), 1)
    rare = int((count < 5).sum())
    yield Finding(
        "quality",
        "long tail",
        "note" if rare > items / 3 else "good",
        f"Gini {gini(count):.2f}",
        f"a tenth of the items has {100 * head:.0f} % of the events; {share(rare, items)} items have fewer than 5",
        "Report metrics by popularity; popularity itself must be among the baselines." if rare > items / 3 else "",
    )

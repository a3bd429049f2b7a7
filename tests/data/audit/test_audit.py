"""A fault planted in each category is found, and clean data are called clean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.contracts import Split, Tables
from rec_lightning.data.audit.finding import Finding
from rec_lightning.data.audit.governance import overall, scores
from rec_lightning.data.audit.quality import gini
from rec_lightning.data.audit.report import html, write_report
from rec_lightning.data.audit.run import Audit, audit
from rec_lightning.data.module import RecData
from rec_lightning.data.privacy.mask import Mask
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.cold_items import ColdItems
from rec_lightning.data.split.cold_users import ColdUsers
from rec_lightning.data.split.global_time import GlobalTime
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from rec_lightning.data.split.random_share import RandomShare

BASE = Synthetic(users=60, items=40, seed=1).fetch()
# each pair once, so that nothing but what is planted is found
CLEAN = replace(BASE, interactions=BASE.interactions.unique(["user", "item"], keep="first", maintain_order=True))


class Given:
    """Tables made by a test."""

    item_columns = ("item", "title")
    user_columns = ("user",)

    def __init__(self, tables: Tables, path: str = "") -> None:
        self.tables, self.path = tables, path

    def identity(self) -> str:
        return ""

    def fetch(self) -> Tables:
        return self.tables


def audited(tables: Tables, split: Split | None = None, path: str = "") -> Audit:
    return audit(RecData(Given(tables, path), split or GlobalTime(), 10, cache=False))


def found(result: Audit, check: str) -> Finding:
    (finding,) = [f for f in result.findings if f.check == check]
    return finding


def with_events(**columns: Any) -> Tables:
    events = CLEAN.interactions.with_columns(**columns)
    return replace(CLEAN, interactions=events, users=events.select("user").unique())


def with_items(**columns: Any) -> Tables:
    return replace(CLEAN, items=CLEAN.items.with_columns(**columns))


def with_users(**columns: Any) -> Tables:
    return replace(CLEAN, users=CLEAN.users.with_columns(**columns))


def first_cell(text: str) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(text)).otherwise(pl.lit("harmless"))


TITLED = CLEAN.interactions.join(CLEAN.items, on="item", how="left", maintain_order="left")["title"]
FIRST_SEEN = CLEAN.interactions.group_by("item").agg(pl.col("timestamp").min()).sort("timestamp")["item"]
BY_TIME = dict(zip(FIRST_SEEN, range(1, 99), strict=False))

NO_TIME = replace(CLEAN, interactions=CLEAN.interactions.drop("timestamp"))

PLANTED: list[tuple[str, Tables, Split | None, str, str]] = [
    ("gaps", with_events(rating=pl.lit(None, pl.Int64)), None, "completeness of interactions", "warning"),
    ("no fields", replace(CLEAN, items=CLEAN.items.select("item")), None, "completeness of item fields", "warning"),
    (
        "rows twice",
        replace(CLEAN, interactions=pl.concat([CLEAN.interactions] * 2)),
        None,
        "exact repetitions",
        "warning",
    ),
    ("one rating", with_events(rating=pl.lit(3)), None, "validity of ratings", "warning"),
    ("blank titles", with_items(title=pl.lit(" ")), None, "validity of titles", "warning"),
    ("items without rows", replace(CLEAN, items=CLEAN.items[:20]), None, "consistency of the tables", "warning"),
    ("milliseconds", with_events(timestamp=pl.col("timestamp") * 1000), None, "timeliness", "warning"),
    (
        "no time",
        NO_TIME,
        LeaveOneOut(),
        "timeliness",
        "warning",
    ),
    ("no time", NO_TIME, LeaveOneOut(), "events after the cut", "warning"),
    ("no time", NO_TIME, LeaveOneOut(), "ties that decide the split", "warning"),
    (
        "users without rows",
        replace(with_users(age=pl.col("user")), users=with_users(age=pl.col("user")).users[:20]),
        None,
        "completeness of user fields",
        "warning",
    ),
    (
        "a user without a field",
        with_users(age=pl.when(pl.col("user") > 1).then(pl.col("user"))),
        None,
        "completeness of user fields",
        "note",
    ),
    ("negative time", with_events(timestamp=-pl.col("timestamp")), None, "schema of interactions", "failure"),
    ("repeated pairs", BASE, LeaveOneOut(), "target among the inputs", "failure"),
    ("repeated pairs", BASE, None, "overlap of training and test", "failure"),
    ("random split", CLEAN, RandomShare(), "a user's own future in training", "failure"),
    ("random split", CLEAN, RandomShare(), "leak of the protocol", "warning"),
    ("leave-one-out", CLEAN, LeaveOneOut(), "events after the cut", "note"),
    ("cold items", CLEAN, ColdItems(), "items first seen in test", "warning"),
    ("cold users", CLEAN, ColdUsers(), "users first seen in test", "warning"),
    ("ties", with_events(timestamp=pl.lit(5)), LeaveOneOut(), "ties that decide the split", "warning"),
    (
        "title beside",
        with_events(note=pl.lit("Loved ") + TITLED),
        None,
        "the target's title in interactions.note",
        "failure",
    ),
    (
        "ids by time",
        with_events(item=pl.col("item").replace_strict(BY_TIME)),
        None,
        "item ids ordered by time",
        "warning",
    ),
    ("e-mail", with_items(title=first_cell("write to ann@example.org")), None, "e-mail in texts", "failure"),
    ("phone", with_items(title=first_cell("call +49 30 1234 5678")), None, "phone in texts", "failure"),
    ("card", with_items(title=first_cell("pay 4539 1488 0343 6467")), None, "card in texts", "failure"),
    ("address", with_items(title=first_cell("at 12 Long Hill Road")), None, "address in texts", "warning"),
    ("ip", with_items(title=first_cell("from 192.168.17.4")), None, "ip address in texts", "warning"),
    ("in lists", with_items(genres=pl.concat_list(first_cell("a@b.org"))), None, "e-mail in texts", "failure"),
    ("unique people", with_users(zip=pl.int_range(pl.len()).cast(pl.String)), None, "k-anonymity of users", "warning"),
    ("mail ids", with_events(user=pl.format("{}@x.org", "user")), None, "user ids", "failure"),
    ("names as ids", with_events(user=pl.format("name{}", "user")), None, "user ids", "warning"),
    ("no licence", replace(CLEAN, licence="not stated"), None, "licence", "warning"),
]


@pytest.mark.parametrize(
    ("name", "tables", "split", "check", "grade"), PLANTED, ids=[f"{c[0]}: {c[3]}" for c in PLANTED]
)
def test_what_is_planted_is_found(name: str, tables: Tables, split: Split | None, check: str, grade: str) -> None:
    finding = found(audited(tables, split), check)
    assert finding.grade == grade, finding
    assert finding.advice


OF_USERS = ("completeness of user fields",)  # where there are any


def test_without_time_no_split_by_time_is_advised_as_it_is() -> None:
    result = audited(NO_TIME, LeaveOneOut())
    advice = "Report it, or choose data with timestamps and data/split=global_time."
    assert found(result, "leak of the protocol").advice == advice
    assert (
        found(audited(CLEAN, LeaveOneOut()), "leak of the protocol").advice
        == "Report it, or choose data/split=global_time."
    )
    # what nobody can tell is no better than what is known to be bad
    level = {score.dimension: score.level for score in result.scores}
    assert level["leakage"] == 3


def test_masking_as_advised_is_enough() -> None:
    tables = with_items(title=first_cell("at 12 Long Hill Road"))
    advice = found(audited(tables), "address in texts").advice
    assert advice.endswith("data/privacy=mask data.privacy.mask.kinds=[address].")
    assert found(audited(Mask(["address"])(tables)), "address in texts").grade == "good"


def test_titles_that_are_shared_are_counted_by_item() -> None:
    title = pl.when(pl.col("item") <= 3).then(pl.lit("twin")).otherwise("title")
    assert found(audited(with_items(title=title)), "validity of titles").evidence.endswith(
        "3 share theirs with another item"
    )


def test_clean_data_are_called_clean() -> None:
    result = audited(CLEAN)
    graded = {f.check: f.grade for f in result.findings}
    for check in {case[3] for case in PLANTED} - {"the target's title in interactions.note", *OF_USERS}:
        assert graded[check] in ("good", "note"), check
    assert result.level >= 4


def test_pseudonyms_are_good_ids() -> None:
    digest = pl.format("{}{}", pl.col("user").cast(pl.String).str.zfill(8), pl.lit("0123456789abcdef" * 2))
    assert found(audited(with_events(user=digest)), "user ids").grade == "good"


def test_file_permissions(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("")
    for mode, grade in ((0o600, "good"), (0o644, "note"), (0o646, "failure")):
        file.chmod(mode)
        assert found(audited(CLEAN, path=str(file)), "file permissions").grade == grade


def test_no_personal_data_stands_in_the_report() -> None:
    page = html(audited(with_items(title=first_cell("write to ann@example.org"))))
    assert "ann@example.org" not in page
    assert "a...g (15 characters)" in page


def graded(*grades: str) -> list[Finding]:
    return [Finding("quality", str(i), g, "", "", f"mend {i}") for i, g in enumerate(grades)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grades", "level"),
    [
        (["good"], 5),
        (["good", "note"], 4),
        (["warning"], 4),
        (["warning", "warning", "note"], 3),
        (["warning"] * 6, 3),
        (["failure", "good"], 2),
        (["failure", "failure"], 1),
    ],
)
def test_levels_by_hand(grades: list[str], level: int) -> None:
    (score,) = scores(graded(*grades))
    assert (score.level, score.dimension) == (level, "quality")


def test_the_whole_is_as_good_as_its_weakest_part_and_the_worst_comes_first() -> None:
    other = replace(graded("good")[0], dimension="privacy")
    found_scores = scores([*graded("note", "failure"), other])
    assert overall(found_scores) == 2
    assert found_scores[0].raise_by == ["mend 1", "mend 0"]
    assert found_scores[0].evidence == "1 failure, 1 note"


def test_the_report_is_one_file_without_a_network(tmp_path: Path) -> None:
    result = audited(replace(CLEAN, name="<b>odd</b>"))
    page = write_report(result, tmp_path / "new")
    text = page.read_text()
    assert "<b>odd</b>" not in text
    assert "&lt;b&gt;odd&lt;/b&gt;" in text
    assert not any(word in text for word in ("http://", "https://", "<script", "<link", "src="))
    assert text.count("<svg") == len(result.curves) == 3
    told = json.loads((page.parent / "audit.json").read_text())
    assert told["level"] == result.level
    assert len(told["findings"]) == len(result.findings)
    assert sorted(p.name for p in page.parent.iterdir()) == ["audit.html", "audit.json"]


def test_gini_of_known_counts() -> None:
    for counts in (np.array([1, 2, 3, 10]), np.array([4, 4]), np.array([0, 0, 7])):
        differences = np.abs(np.subtract.outer(counts, counts)).mean()  # half of it over the mean is the definition
        assert gini(counts) == pytest.approx(differences / 2 / counts.mean())

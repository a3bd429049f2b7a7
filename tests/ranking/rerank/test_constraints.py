"""No list breaks a rule, and none could have taken an earlier candidate without breaking one."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.ranking.rerank.constraints import Constraints
from rec_lightning.ranking.reranked import rerank
from tests.ranking.rerank.greedy import candidates
from tests.ranking.rerank.small import CANDIDATES, USERS, K, known

ROWS = [{"genres": [], "year": None, "price": None}, *known().items.to_dicts()]


def by_hand(items: list[int], rules: dict[str, Any], wanted: set[int]) -> list[int]:
    """One user's list."""
    chosen: list[int] = []
    allowed = [item for item in items if item and ("only" not in rules or ROWS[item]["price"] < 50)]
    while len(chosen) < K:
        free = []
        for item in (i for i in allowed if i not in chosen):
            words = ROWS[item]["genres"]
            if "most" not in rules or all(
                sum(word in ROWS[c]["genres"] for c in chosen) < rules["most"] for word in words
            ):
                free.append(item)
        missing = rules.get("least", 0) - len(wanted & {*chosen})
        if missing >= K - len(chosen) and wanted & {*free}:
            free = [item for item in free if item in wanted]
        if not free:
            break
        chosen.append(free[0])
    return chosen + [0] * (K - len(chosen))


@pytest.mark.parametrize(
    "rules",
    [
        {"only": "price < 50"},
        {"by": "genres", "most": 1},
        {"by": "genres", "most": 3},
        {"some": "year = 1991", "least": 2},
        {"only": "price < 50", "by": "genres", "most": 3, "some": "year = 1991 OR year = 1993", "least": 5},
    ],
    ids=["only", "most 1", "most 3", "least", "all"],
)
def test_equals_the_rules_by_hand(rules: dict[str, Any]) -> None:
    own, batch = candidates()
    found = rerank(own, batch, None, Constraints(known(), **rules, candidates=CANDIDATES), K)
    years = {1991, 1993} if "1993" in rules.get("some", "") else {1991} if "some" in rules else set()
    wanted = {item for item, row in enumerate(ROWS) if row["year"] in years}
    short = 0
    for row in range(USERS):
        expected = by_hand(own.items[row].tolist(), rules, wanted)
        assert found.items[row].tolist() == expected
        short += 0 in expected
    assert short < USERS or rules.get("most") == 1


def test_a_target_that_a_rule_leaves_out_is_no_hit_in_a_short_list() -> None:
    own, batch = candidates()
    found = rerank(own, batch, None, Constraints(known(), only="price < 8", candidates=CANDIDATES), K)
    out = ~(found.items == found.target.unsqueeze(1)).any(1)
    assert (found.items[:, -1] == 0).any()
    assert (found.rank[out] > K).all()


def test_lists_of_words_can_be_asked_for() -> None:
    own, batch = candidates()
    part = Constraints(known(), only="ARRAY_CONTAINS(genres, 'g2')", candidates=CANDIDATES)
    items = {item for row in rerank(own, batch, None, part, K).items.tolist() for item in row if item}
    assert items
    assert all("g2" in ROWS[item]["genres"] for item in items)


def test_before_data_are_read_the_names_are_checked_and_nothing_else() -> None:
    empty = Catalog.empty(["price", "year"])
    Constraints(empty, only="price < 20", by="year", most=1)
    with pytest.raises(
        ValueError, match=r"got 'prize < 20': no column 'prize' among price, year\. Set rerank\.only\.$"
    ):
        Constraints(empty, only="prize < 20")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "rerank=constraints needs a rule. Set rerank.only, rerank.by with rerank.most, or rerank.some with"),
        ({"most": 2}, "rerank.most must be at least 1 and goes with rerank.by, got 2 with None. Set both, or none."),
        ({"by": "year"}, "rerank.most must be at least 1 and goes with rerank.by, got None with 'year'. Set both"),
        ({"by": "year", "most": 0}, "rerank.most must be at least 1 and goes with rerank.by, got 0 with 'year'. Set"),
        ({"some": "price < 5"}, "rerank.least must be at least 1 and goes with rerank.some, got None with 'price < 5'"),
        ({"only": "price <"}, "rerank.only must be a condition over columns of the item table, got 'price <': "),
        (
            {"only": "price + 1"},
            "rerank.only must be a condition over columns of the item table, got 'price + 1': it gives Float64, not",
        ),
        ({"by": "brand", "most": 2}, "rerank.by must be a column of the item table (genres, year, price), got 'brand'"),
    ],
    ids=["none", "most alone", "by alone", "most 0", "some alone", "syntax", "a number", "column"],
)
def test_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        Constraints(known(), **options)


def test_more_items_than_places_are_refused() -> None:
    own, batch = candidates()
    part = Constraints(known(), some="price < 50", least=K + 1, candidates=CANDIDATES)
    with pytest.raises(ValueError, match=rf"^rerank.least must be at most ranking.k \({K}\), got {K + 1}. Set"):
        rerank(own, batch, None, part, K)


def test_a_missing_value_does_not_hold() -> None:
    items = pl.DataFrame({"item": ["a", "b", "c"], "price": [1.0, None, 9.0]})
    part = Constraints(Catalog(items, torch.zeros(4).long().numpy()), only="price < 5")
    assert part.allowed.tolist() == [True, True, False, False]

from __future__ import annotations

import re
from typing import Any

import pytest

from rec_lightning.studies.factors import combine, overrides_of, parse_factors
from rec_lightning.studies.reading import parse_study

FACTORS = {"loss": ["bce", "bpr"], "depth": {"one": ["backbone.layers=1"], "two": ["backbone.layers=2", "width=32"]}}
STUDY: dict[str, Any] = {"title": "t", "question": "q", "protocol": "p", "metrics": ["ndcg@10"], "primary": "ndcg@10"}


def test_a_grid_becomes_rows() -> None:
    rows = [{"name": "Popularity", "verb": "baseline"}]
    study = parse_study(STUDY | {"factors": FACTORS, "rows": rows, "exclude": [{"loss": "bpr", "depth": "two"}]})
    assert [row.name for row in study.rows] == [
        "Popularity", "loss=bce, depth=one", "loss=bce, depth=two", "loss=bpr, depth=one",
    ]  # fmt: skip
    assert study.rows[2].overrides == ("loss=bce", "backbone.layers=2", "width=32")
    assert study.rows[2].levels == {"loss": "bce", "depth": "two"}
    assert len({row.slug for row in study.rows}) == 4


def test_an_exclusion_of_one_factor_takes_all_its_combinations() -> None:
    factors = parse_factors(FACTORS)
    assert combine(factors, [{"loss": "bpr"}]) == [{"loss": "bce", "depth": "one"}, {"loss": "bce", "depth": "two"}]
    assert overrides_of(factors, {"loss": "bpr", "depth": "one"}) == ("loss=bpr", "backbone.layers=1")


def test_values_are_written_as_overrides_read_them() -> None:
    assert parse_factors({"a": [True, None, 1e-3]}) == {
        "a": {"true": ("a=true",), "null": ("a=null",), "0.001": ("a=0.001",)}
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exclude": [{"width": 3}]}, "exclude must name factors, one of ['loss', 'depth'], got 'width'"),
        ({"exclude": [{"loss": "ce"}]}, "exclude must name a level of loss, one of ['bce', 'bpr'], got 'ce'"),
        ({"exclude": [{"loss": "bce"}, {"loss": "bpr"}]}, "at least one combination of the factors, got none"),
        ({"exclude": ["loss"]}, "exclude must be a list of factor: level mappings, got ['loss']"),
        ({"factors": {"loss": "bce"}}, "factor loss must be a list of different values or map names to overrides"),
        ({"factors": {"loss": ["bce", "bce"]}}, "factor loss must be a list of different values"),
        ({"factors": {"loss": {"a": "loss=bce"}}}, "level 'a' of factor loss must be a list of overrides"),
        ({"factors": [1]}, "factors must map a name to its levels, got [1]"),
        ({"tune": {"optimizer.lr": [0.1]}}, "tune must give each key at least 2 values to try, got fewer for ['opt"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_study(STUDY | {"factors": FACTORS} | change)


def test_exclude_without_factors() -> None:
    with pytest.raises(ValueError, match="exclude needs factors, got none"):
        parse_study(STUDY | {"rows": [{"name": "A", "verb": "train"}], "exclude": []})

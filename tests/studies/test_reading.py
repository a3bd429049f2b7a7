from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.studies.reading import experiments_dir, load_study, parse_study
from rec_lightning.studies.study import Published

CONTENT: dict[str, Any] = {
    "title": "t",
    "question": "q",
    "protocol": "p",
    "metrics": ["hr@10", "ndcg@10"],
    "primary": "ndcg@10",
    "common": {"train": ["trainer.max_epochs=2"]},
    "rows": [{"name": "A, b", "verb": "train", "overrides": ["items=id"]}, {"name": "C", "verb": "baseline"}],
}


def test_common_overrides_come_first() -> None:
    study = parse_study(CONTENT)
    assert [row.overrides for row in study.rows] == [("trainer.max_epochs=2", "items=id"), ()]
    assert [row.slug for row in study.rows] == ["a-b", "c"]
    assert study.reference is None


def test_baselines_run_once_and_a_row_may_differ() -> None:
    rows = [*CONTENT["rows"], {"name": "D", "verb": "baseline", "seeds": [5, 6]}]
    study = parse_study(CONTENT | {"seeds": [42, 1, 2], "rows": rows})
    assert [row.seeds for row in study.rows] == [(42, 1, 2), (42,), (5, 6)]
    assert [row.seeds for row in study.with_seeds([7, 8]).rows] == [(7, 8), (7,), (7,)]
    assert [row.seeds for row in parse_study(CONTENT).rows] == [(42,), (42,)]


def test_published_numbers() -> None:
    row = {"name": "A", "verb": "train", "published": {"hr@10": 0.0859, "source": "a paper, table 2"}}
    (spec,) = parse_study(CONTENT | {"rows": [row]}).rows
    assert spec.published == Published({"hr@10": 0.0859}, "a paper, table 2")


def test_the_demo_reads() -> None:
    study = load_study("demo")
    assert [row.verb for row in study.rows] == ["baseline"] * 2 + ["train"] * 4
    assert study.reference == "EASE"
    assert load_study(experiments_dir() / "demo" / "study.yaml") == study


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "got unknown ['colour'] and missing []"),
        ({"rows": []}, "at least one row, got none"),
        ({"primary": "mrr@10"}, "primary must be one of metrics ['hr@10', 'ndcg@10'], got 'mrr@10'"),
        ({"reference": "EASE"}, "one of ['A, b', 'C'], got 'EASE'"),
        ({"metrics": "hr@10"}, "metrics must be a list of strings, got 'hr@10'"),
        ({"common": {"tune": []}}, "got unknown ['tune']"),
        (
            {"rows": [{"name": "x", "verb": "serve"}]},
            "verb of row 'x' must be one of ['train', 'baseline', 'fuse', 'evaluate'], got 'serve'",
        ),
        ({"rows": [{"name": "x y", "verb": "train"}, {"name": "X-Y", "verb": "train"}]}, "got ['x-y', 'x-y']"),
        ({"rows": [{"name": "x", "verb": "train", "overrides": [{"a": 1}]}]}, "overrides of row 'x' must be a list"),
        (
            {"rows": [{"name": "x", "verb": "train", "overrides": ["seed=1"]}]},
            "leave seed, run_dir, test to the study, got",
        ),
        ({"seeds": []}, "seeds must be a list of whole numbers, got []"),
        ({"seeds": [1, 1]}, "seeds of row 'A, b' must be different whole numbers from 0, got [1, 1]"),
        ({"rows": [{"name": "x", "verb": "train", "seeds": [1.5]}]}, "seeds of row 'x' must be a list of whole"),
        ({"rows": [{"name": "x", "verb": "train", "published": {"hr@10": 0.1}}]}, "must hold a source and"),
        ({"rows": [{"name": "x", "verb": "train", "published": {"hr@10": "1", "source": "s"}}]}, "positive numbers"),
        ({"rows": [{"name": "x", "verb": "train", "published": {"mrr": 1, "source": "s"}}]}, "got ['mrr']"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_study(CONTENT | change)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match=re.escape("missing ['question']")):
        parse_study({key: value for key, value in CONTENT.items() if key != "question"})


def test_an_unknown_study_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"one of \[.*'demo'.*\] or the path of a yaml file, got 'demos'"):
        load_study("demos")


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("title: x\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}: a study must have the keys")):
        load_study(path)


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("rows: [a]\n b: [")
    with pytest.raises(ValueError, match=r"study\.yaml: a study must be yaml, and it is not: "):
        load_study(tmp_path / "study.yaml")

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rec_lightning.studies.ablation import ablation
from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Finished, Run
from rec_lightning.studies.publish import publish
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.rows import read_row
from tests.studies.conftest import WriteRun

CONTENT: dict[str, Any] = {
    "title": "Parts", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10", "resamples": 1000,
    "rows": [{"name": "EASE", "verb": "baseline"}, {"name": "Full", "verb": "train", "overrides": ["a=1", "b=2"]}],
    "reference": "EASE", "ablation": {"of": "Full", "without": {"a": ["a=0"], "b": ["b=0", "c=3"]}},
}  # fmt: skip


def test_each_part_is_a_row() -> None:
    study = parse_study(CONTENT)
    assert [row.name for row in study.rows] == ["EASE", "Full", "Full without a", "Full without b"]
    assert [row.overrides for row in study.rows[2:]] == [("a=0", "b=2"), ("a=1", "b=0", "c=3")]


def test_the_table_compares_with_the_full_model_largest_loss_first(write_run: WriteRun, tmp_path: Path) -> None:
    study = parse_study(CONTENT)
    hits = {"EASE": 30, "Full": 200, "Full without a": 190, "Full without b": 100}
    entries = []
    for row in study.rows:
        ranks = np.where(np.arange(400) < hits[row.name], 1, 50)
        metrics = {"test/hr@10": hits[row.name] / 400}
        entries.append(Finished(row, Run(42, "", read_row(write_run(row.slug, ranks, metrics=metrics), ["hr@10"]))))
    comparison = compare(study, entries)
    parts = ablation(comparison)
    assert parts is not None
    assert [line.spec.name for line in parts.lines] == ["Full", "without b", "without a"]
    assert [line.versus.mean if line.versus else None for line in parts.lines] == [
        None, pytest.approx(-0.25), pytest.approx(-0.025),
    ]  # fmt: skip
    evidence = parts.lines[1].evidence
    assert evidence is not None
    assert evidence.comparisons == 2  # of the parts alone
    publish(comparison, tmp_path)
    tex = (tmp_path / "ablation.tex").read_text()
    assert r"without b & $.2500^{*}$ & $-.2500$ (-50.0\,\%) & 73.7 k \\" in tex
    assert r"$\Delta$ HR@10" in tex
    assert "| without b | .250" in (tmp_path / "ablation.md").read_text()


def test_a_study_without_one_has_no_table(write_run: WriteRun) -> None:
    study = parse_study({key: value for key, value in CONTENT.items() if key != "ablation"})
    row = read_row(write_run("a", [1, 50], metrics={"test/hr@10": 0.5}), ["hr@10"])
    assert ablation(compare(study, [Finished(study.rows[0], Run(42, "", row))])) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"of": "Full"}, "ablation must have the keys of"),
        ({"of": "Fool", "without": {"a": ["a=0"]}}, r"one of \['EASE', 'Full'\], got 'Fool'"),
        ({"of": "Full", "without": {}}, "must map parts to lists of overrides"),
        ({"of": "Full", "without": {"a": "a=0"}}, r"ablation\.without\.a must be a list of overrides, got 'a=0'"),
    ],
)
def test_refusals(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_study(CONTENT | {"ablation": content})

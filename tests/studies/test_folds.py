"""Folds of a row: asked for one by one, read as one result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Failure, Finished, Run
from rec_lightning.studies.folds import in_folds
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.scored import Scores, read_scores
from rec_lightning.studies.study import RowSpec, Study
from tests.studies.conftest import WriteRun, manifest

FOLDS = ("fold=0", "fold=1")
ROWS = tuple(RowSpec(name, "train", (name,), seeds=(3,)) for name in ("a", "b"))


def study_of(metric: str) -> Study:
    return Study("t", "q", "p", (metric,), metric, "a", in_folds(ROWS, FOLDS), resamples=200)


def predicted(folder: Path, noise: float, fold: int, cpu: float = 2.0) -> Path:
    """Every second of 80 ratings by 8 users."""
    folder.mkdir()
    generator, event = np.random.default_rng(5), np.arange(80)
    label = generator.integers(1, 6, 80).astype(np.float64)
    value = label + noise * generator.normal(size=80)
    frame = pl.DataFrame({"event": event, "user": event // 10, "item": event, "label": label, "prediction": value})
    own = frame.filter(pl.col("event") % 2 == fold)
    own.write_parquet(folder / "predictions.parquet")
    (folder / "metrics.json").write_text(json.dumps({"test/rmse": read_scores(own).metric("rmse")}))
    told = manifest(seconds={"wall": 1.0, "cpu": cpu, "first_step": 1.0})
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


def test_folds_of_labels_are_one_result(tmp_path: Path) -> None:
    study = study_of("rmse")
    noise = {"a": 1.0, "b": 0.5}
    entries = [
        Finished(row, Run(3, row.name, read_row(predicted(tmp_path / row.slug, noise[row.fold_of], n % 2), ["rmse"])))
        for n, row in enumerate(study.rows)
    ]
    found = compare(study, entries[::-1])
    assert [line.spec.name for line in found.lines] == ["a", "b"]
    assert found.study.reference == "a"
    generator = np.random.default_rng(5)
    label = generator.integers(1, 6, 80)
    noise_of_all = generator.normal(size=80)
    assert found.lines[0].scores["rmse"].mean == pytest.approx(np.sqrt((noise_of_all**2).mean()))
    assert found.lines[1].scores["rmse"].mean == pytest.approx(0.5 * np.sqrt((noise_of_all**2).mean()))
    row = found.lines[0].row
    assert isinstance(row.result, Scores)
    assert row.result.label.tolist() == label.tolist()  # in the order of the events
    assert row.manifest.cpu == 4.0
    assert row.manifest.raw["seconds"]["cpu"] == 4.0
    assert found.lines[0].runs[0].command == "a, fold 1\na, fold 0"


def test_folds_of_users_are_one_ranking(write_run: WriteRun) -> None:
    study = study_of("hr@10")
    entries = [
        Finished(row, Run(3, "c", read_row(write_run(row.slug, [1, 30], users=[4 - n % 2, 9 - n % 2]), ["hr@10"])))
        for n, row in enumerate(study.rows)
    ]
    row = compare(study, entries).lines[0].row
    assert row.users.to_list() == [3, 4, 8, 9]
    assert row.targets.struct.field("target").to_list() == [103, 104, 108, 109]
    assert isinstance(row.result, Ranks)
    assert row.result.rank.tolist() == [1, 1, 30, 30]


def test_a_fold_without_a_result_leaves_the_row_without_one(tmp_path: Path) -> None:
    study = study_of("rmse")
    entries: list[Finished | Failure] = [
        Finished(row, Run(3, "c", read_row(predicted(tmp_path / row.slug, 1.0, n % 2), ["rmse"])))
        for n, row in enumerate(study.rows)
    ]
    entries[1] = Failure(study.rows[1], 3, "c", 1, ("broken",))
    found = compare(study, entries)
    assert [line.spec.name for line in found.lines] == ["b"]
    assert found.failures[0].error == ("broken",)
    entries[1] = replace(entries[0], spec=study.rows[1])
    assert "folds must test each event once, and 40 are tested twice" in compare(study, entries).failures[0].error[0]


def test_what_folds_cannot_be() -> None:
    content = {"title": "t", "question": "q", "protocol": "p", "metrics": ["rmse"], "primary": "rmse",
               "rows": [{"name": "a", "verb": "train"}]}  # fmt: skip
    assert [row.overrides for row in parse_study(content | {"folds": list(FOLDS)}).rows] == [("fold=0",), ("fold=1",)]
    with pytest.raises(ValueError, match="folds must be at least two different overrides, got"):
        parse_study(content | {"folds": ["fold=0"]})
    with pytest.raises(ValueError, match="folds and a search do not go together, and 'a' is searched"):
        parse_study(content | {"folds": list(FOLDS), "tune": {"lr": [1, 2]}})

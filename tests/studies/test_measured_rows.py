"""Rows that measure other rows of their study again: which runs they read, what they are checked for, and for real."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.cli import main
from rec_lightning.studies.plan import jobs_of
from rec_lightning.studies.reading import parse_study
from rec_lightning.study import check, known_keys

CONTENT: dict[str, Any] = {
    "title": "t", "question": "q", "protocol": "p", "metrics": ["ndcg@10"], "primary": "ndcg@10", "seeds": [1, 2],
    "resamples": 100, "reference": "Markov",
    "rows": [
        {"name": "Kept", "verb": "evaluate", "of": ["Markov"], "overrides": ["ranking.exclude_seen=false"]},
        {"name": "Markov", "verb": "baseline", "overrides": ["baseline=markov"]},
        {"name": "SASRec", "verb": "train", "overrides": ["items=id", "tuning=full"]},
        {"name": "MMR", "verb": "evaluate", "of": ["SASRec"], "overrides": ["rerank=mmr"]},
    ],
}  # fmt: skip


def rows(**changes: Any) -> dict[str, Any]:
    first, *others = CONTENT["rows"]
    return CONTENT | {"rows": [first | changes, *others]}


def test_what_is_told_beside_must_be_logged_by_every_row() -> None:
    study = CONTENT | {"also": ["coverage@10"]}
    told = re.escape("row 'Kept': also must hold metrics that every row logs, and this one logs no 'coverage@10'")
    with pytest.raises(ValueError, match=told):
        check(parse_study(study), [], known_keys())
    wider = [row | {"overrides": [*row["overrides"], "metrics=all"]} for row in CONTENT["rows"]]
    fused = {"name": "Both", "verb": "fuse", "of": ["Markov", "SASRec"], "overrides": []}
    check(parse_study(study | {"rows": wider}), [], known_keys())
    with pytest.raises(ValueError, match=r"row 'Both': also must hold .* nearest: "):
        check(parse_study(study | {"rows": [fused, *wider]}), [], known_keys())
    check(parse_study(CONTENT | {"also": ["hr@20"], "rows": [fused, *CONTENT["rows"]]}), [], known_keys())


def test_what_is_told_beside_of_labels_is_known_too(cache: Path) -> None:
    row = {"name": "CTR", "verb": "train", "overrides": ["task=scoring", "data=synthetic", "items=id", "tuning=full"]}
    study = CONTENT | {"metrics": ["auc"], "primary": "auc", "reference": "CTR", "rows": [row]}
    check(parse_study(study | {"also": ["ece", "threshold"]}), [], known_keys())
    with pytest.raises(ValueError, match=r"logs no 'rmse'; nearest: "):
        check(parse_study(study | {"also": ["rmse"]}), [], known_keys())


def test_each_seed_of_the_row_is_measured_in_a_folder_of_its_own() -> None:
    study = parse_study(CONTENT)
    assert [(row.name, seed) for row, seed in study.runs] == [
        ("Kept", 1), ("Markov", 1), ("SASRec", 1), ("SASRec", 2), ("MMR", 1), ("MMR", 2),
    ]  # fmt: skip
    jobs = jobs_of(study, Path("f"), ["data=x", "trainer.max_epochs=1"])  # both reach what is measured
    assert jobs[0].printed == (
        "rec-lightning evaluate ranking.exclude_seen=false run=f/markov/seed-1 run_dir=f/kept/seed-1"
    )
    assert jobs[5].printed == "rec-lightning evaluate rerank=mmr run=f/sasrec/seed-2 run_dir=f/mmr/seed-2"
    assert [row.seeds for row in study.with_seeds([5, 6, 7]).rows] == [(5,), (5,), (5, 6, 7), (5, 6, 7)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": []}, "row 'Kept' of verb evaluate must name in `of` what it measures, got []"),
        ({"of": ["MMR"]}, "must name different rows that train or are baselines, some of ['Markov', 'SASRec']"),
        ({"of": ["Markov", "SASRec"]}, "row 'Kept' measures one row, got ['Markov', 'SASRec']. Write a row for each"),
        ({"overrides": []}, "row 'Kept' must differ from 'Markov', which it measures, got no overrides"),
        ({"seeds": [2]}, "the seeds of row 'Kept' must be among those of 'Markov', [1], got [2]"),
        ({"overrides": ["stage=val"]}, "must leave run, run_dir, name, stage to the study, got ['stage=val']"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_study(rows(**change))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["backbone=gru4rec"], "row 'Kept': an evaluation may differ from its run in data, ranking, rerank, metrics"),
        (["ranking.exclude_sen=false"], "row 'Kept': unknown option ranking.exclude_sen"),
        (["attack=0.1"], "row 'Kept': attack is for runs that scored labels"),
        (["ranking=sampled"], "row 'Kept': the rows of a study are ranked over the whole catalogue"),
    ],
)
def test_what_an_evaluation_cannot_do_is_refused_before_the_first_run(overrides: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check(parse_study(rows(overrides=overrides)), [], known_keys())


def test_two_rows_that_measure_the_same_are_refused() -> None:
    same = CONTENT["rows"][0] | {"name": "Again"}
    with pytest.raises(ValueError, match="two rows must not resolve to the same configuration, got 'Kept' and 'Again'"):
        check(parse_study(CONTENT | {"rows": [*CONTENT["rows"], same]}), [], known_keys())


def test_a_study_measures_its_baseline_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = CONTENT | {"rows": CONTENT["rows"][:2], "title": "Two protocols"}
    (tmp_path / "two.yaml").write_text(json.dumps(content))  # yaml reads it
    line = ["study", str(tmp_path / "two.yaml"), f"run_dir={tmp_path / 'runs'}", "data=synthetic"]
    assert main(line) == 0
    told = json.loads((tmp_path / "runs/results.json").read_text())
    kept, markov = told["rows"]
    # what was seen takes places from what is new
    assert kept["scores"]["ndcg@10"]["mean"] < markov["scores"]["ndcg@10"]["mean"]
    assert kept["versus_reference"]["mean"] < 0
    capsys.readouterr()
    assert main(line) == 0
    assert capsys.readouterr().out.count("already complete") == 2

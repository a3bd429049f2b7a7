from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rec_lightning.studies.conduct import conduct, prepare, rebuild
from rec_lightning.studies.inner import chosen, tries, with_tries
from rec_lightning.studies.job import Job
from rec_lightning.studies.plan import jobs_of, row_overrides
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.study import Study

WriteRun = Callable[..., Path]
GRID = {"optimizer.lr": ["0.1", "0.2", "0.3"]}
CONTENT: dict[str, Any] = {
    "title": "t",
    "question": "q",
    "protocol": "p",
    "metrics": ["hr@10", "ndcg@10"],
    "primary": "ndcg@10",
    "seeds": [1, 2],
    "tune": GRID,
    "rows": [
        {"name": "A", "verb": "train", "overrides": ["optimizer.lr=0.5", "items=id"]},
        {"name": "B", "verb": "train", "tune": {}},
        {"name": "C", "verb": "baseline"},
    ],
}


@pytest.fixture
def study() -> Study:
    return parse_study(CONTENT)


def test_every_candidate_is_a_row_with_one_seed(study: Study) -> None:
    assert [bool(row.tune) for row in study.rows] == [True, False, False]
    searched = with_tries(study)
    assert [row.name for row in searched.rows] == ["A, try 1", "A, try 2", "A, try 3"]
    assert [row.overrides for row in searched.rows] == [
        ("items=id", f"optimizer.lr={v}", "test=false") for v in GRID["optimizer.lr"]
    ]
    assert {row.seeds for row in searched.rows} == {(1,)}


def test_a_grid_of_two_keys() -> None:
    tune = GRID | {"width": [32, 64]}
    rows = tries(parse_study(CONTENT | {"tune": tune}).rows[0])
    assert len(rows) == 6
    assert rows[1].overrides == ("items=id", "optimizer.lr=0.1", "width=64", "test=false")


def write_metrics(folder: Path, val: float, test: float, status: str = "complete") -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"status": status}))
    (folder / "metrics.json").write_text(json.dumps({"val/ndcg@10": val, "test/ndcg@10": test}))


def test_validation_chooses_whatever_the_test_says(study: Study, tmp_path: Path) -> None:
    write_metrics(tmp_path / "a/try-1", val=0.1, test=0.9)
    write_metrics(tmp_path / "a/try-2", val=0.3, test=0.2)
    write_metrics(tmp_path / "a/try-3", val=0.4, test=0.8, status="running")
    row = chosen(study, lambda one: tmp_path / one.folder).rows[0]
    assert row.overrides == ("items=id", "optimizer.lr=0.2")
    assert (row.name, row.seeds, row.folder, row.tune) == ("A", (1, 2), "a/try-2", {})
    assert [(t.overrides, t.value, t.chosen) for t in row.trials] == [
        (("optimizer.lr=0.1",), 0.1, False), (("optimizer.lr=0.2",), 0.3, True), (("optimizer.lr=0.3",), None, False),
    ]  # fmt: skip


def test_of_equal_candidates_the_first(study: Study, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_metrics(tmp_path / f"a/try-{number}", val=0.0, test=0.1 * number)
    assert chosen(study, lambda one: tmp_path / one.folder).rows[0].folder == "a/try-1"


def test_what_is_searched_cannot_be_set_for_all(study: Study) -> None:
    with pytest.raises(ValueError, match=r"optimizer\.lr is searched in row 'A', so it cannot be set for all"):
        row_overrides(study, study.rows[0], ["optimizer.lr=1"])


def test_the_test_metrics_of_the_others_are_nowhere(study: Study, tmp_path: Path, write_run: WriteRun) -> None:
    # the test's score of a candidate is its hit rate; the second one is best on validation and worst on test
    val = {"0.1": 0.2, "0.2": 0.9, "0.3": 0.1}
    ranks = {"0.1": [1] * 61 + [50] * 39, "0.2": [1] * 17 + [50] * 83, "0.3": [1] * 73 + [50] * 27}
    made = {}
    for rate, own in ranks.items():
        hit = sum(rank == 1 for rank in own) / 100
        metrics = {"val/ndcg@10": val[rate], "test/ndcg@10": hit, "test/hr@10": hit}
        made[rate] = write_run(f"made-{rate}", own, metrics=metrics)
    ran = tmp_path / "ran"

    def command(verb: str, overrides: Sequence[str]) -> list[str]:
        rate = next((o.partition("=")[2] for o in overrides if o.startswith("optimizer.lr")), "0.1")
        place = overrides[-1].partition("=")[2].strip("'")
        code = f"import shutil; shutil.copytree({str(made.get(rate))!r}, {place!r}); open({str(ran)!r}, 'a').write('x')"
        return [sys.executable, "-c", code]

    def make_jobs(rows: Study) -> list[Job]:
        jobs = jobs_of(rows, folder, command=command)
        return [replace(job, keep=job.proof.exists) for job in jobs]

    folder = tmp_path / "study"
    prepare(folder)
    console = Console(file=io.StringIO(), width=110)
    comparison = conduct(study, make_jobs, folder, console)
    assert [line.scores["hr@10"].mean for line in comparison.lines] == [0.17, 0.61, 0.61]
    assert len(ran.read_text()) == 3 + 1 + 2 + 1  # tries, A's second seed, B, C: the chosen try does not run twice
    for name in ("report.html", "table.md", "results.json"):
        text = (folder / name).read_text()
        assert "0.73" not in text
        assert "optimizer.lr=0.3" in text
    row = json.loads((folder / "results.json").read_text())["rows"][0]
    assert [trial["value"] for trial in row["tried_on_validation"]] == [0.2, 0.9, 0.1]
    before = (folder / "results.json").read_text()
    again = rebuild(study, make_jobs, folder, console)
    assert len(ran.read_text()) == 7
    assert [line.scores for line in again.lines] == [line.scores for line in comparison.lines]
    assert before.replace('"kept": false', '"kept": true') == (folder / "results.json").read_text()

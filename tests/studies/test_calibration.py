from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rec_lightning.studies.calibration import calibrations, estimate
from rec_lightning.studies.forecast import forecast, informed
from rec_lightning.studies.job import Job
from rec_lightning.studies.plan import row_overrides
from rec_lightning.studies.reading import parse_study
from rec_lightning.study import run

WriteRun = Callable[..., Path]
TOOK = {"wall": 20.0, "cpu": 20.0, "first_step": 8.0, "training": 4.0}
DATA = {"users": 100, "interactions": 10_200}


def test_the_arithmetic() -> None:
    manifest = {"seconds": TOOK, "data": DATA, "examples_per_second": 1000.0, "peak_memory_mb": 500.0}
    # 8 s to the first step, 10 s an epoch for 10,000 targets, two validations of 4 s measured, one every 2 epochs
    config = {"trainer.max_epochs": "30", "trainer.check_val_every_n_epoch": "2"}
    assert estimate(manifest, config) == (8 + 30 * (10 + 4 / 2) + 2 * 4, 500.0)


@pytest.mark.parametrize("epochs", ["-1", "null"])
def test_where_steps_say_the_end_nothing_is_guessed(epochs: str) -> None:
    manifest = {"seconds": TOOK, "data": DATA, "examples_per_second": 1000.0, "peak_memory_mb": 500.0}
    with pytest.raises(ValueError, match=r"max_steps|null"):
        estimate(manifest, {"trainer.max_epochs": epochs, "trainer.max_steps": "9"})


def test_the_plan_takes_it(tmp_path: Path, write_run: WriteRun) -> None:
    write_run("study/a/calibration/seed-1", [1, 2], status="validated", seconds=TOOK, data=DATA,
              examples_per_second=1000.0)  # fmt: skip
    place = tmp_path / "study/a/seed-1"
    told = json.dumps(["train", [["trainer.max_epochs", "3"], ["trainer.check_val_every_n_epoch", "1"]]])
    job = Job("A", (), "", place.with_suffix(".log"), place / "manifest.json", identity=lambda: told)
    (one,) = informed([job])
    assert one.expected == 8 + 3 * 14 + 8
    assert forecast([one]) == "Plan: 1 runs; about 58.0 s for the rest, 1 at a time; up to 1.53 GB a process so far."
    assert forecast([job]).endswith("their time is not known, and calibrate=true measures it first; up to 1.53 GB a "
                                    "process so far.")  # fmt: skip


def test_what_is_short_stays_short_whatever_is_given_beside() -> None:
    study = parse_study({
        "title": "t", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10", "seeds": [1, 2],
        "rows": [{"name": "A", "verb": "train"}, {"name": "B", "verb": "train"}, {"name": "C", "verb": "baseline"},
                 {"name": "D", "verb": "train", "search": {"width": [4, 8]}}],
    })  # fmt: skip
    assert calibrations(study, frozenset({"a", "b", "d"})) is None
    short = calibrations(study, frozenset("b"))
    assert short is not None
    assert [row.name for row in short.rows] == ["A, calibration", "D, calibration"]
    assert [row.seeds for row in short.rows] == [(1,), (1,)]
    told = row_overrides(short, short.rows[0], ["trainer.max_epochs=99"])
    assert "trainer.max_epochs=1" in told
    assert "trainer.max_epochs=99" not in told
    assert "width=4" in row_overrides(short, short.rows[1])


STUDY = """
{title: t, question: q, protocol: p, metrics: [ndcg@10], primary: ndcg@10, rows: [{name: A, verb: train, overrides: [
data=synthetic, data.source.users=30, data.source.items=20, items=id, tuning=full, width=8, 'logger=[]',
'compare=[]', trainer.max_epochs=2]}]}
"""


@pytest.mark.slow
def test_a_short_run_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    line = [str(tmp_path / "study.yaml"), f"run_dir={tmp_path / 'run'}", "calibrate=true"]
    assert run(line) == 0
    told = capsys.readouterr().out
    assert told.index("A, calibration done") < told.index("Plan: 1 runs; about ") < told.index("[1/1] A ...")
    assert not list(tmp_path.glob("run/a/calibration/*/rankings.parquet"))

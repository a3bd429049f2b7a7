from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rec_lightning.studies.forecast import forecast, informed
from rec_lightning.studies.job import Job

WriteRun = Callable[..., Path]


def job(folder: Path, row: str, seed: int, expected: float | None = None) -> Job:
    place = folder / row / f"seed-{seed}"
    return Job(row, (), row, place.with_suffix(".log"), place / "manifest.json", expected)


def test_what_the_study_names(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", 1, 60.0), job(tmp_path, "b", 1, 120.0)]
    assert forecast(informed(jobs), 2) == "Plan: 2 runs; about 1 min 30 s for the rest, 2 at a time."
    assert forecast([job(tmp_path, "a", 1)]) == (
        "Plan: 1 runs; their time is not known, and calibrate=true measures it first."
    )


def test_complete_runs_know_better(tmp_path: Path, write_run: WriteRun) -> None:
    write_run("a/seed-1", [1, 2])  # 75.2 s, 1530 MB
    jobs = informed([job(tmp_path, "a", 1, 9.0), job(tmp_path, "a", 2, 9.0), job(tmp_path, "b", 1)])
    assert [one.expected for one in jobs] == [75.2, 75.2, None]
    assert forecast(jobs) == (
        "Plan: 3 runs; 1 complete in the folder; about 2 min 30 s for the rest, 1 at a time, guessing for 1; "
        "up to 1.53 GB a process so far."
    )


def test_a_broken_manifest_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / "seed-1").mkdir(parents=True)
    (tmp_path / "a" / "seed-1" / "manifest.json").write_text("{")
    assert forecast(informed([job(tmp_path, "a", 1, 5.0)])) == "Plan: 1 runs; about 5.0 s for the rest, 1 at a time."

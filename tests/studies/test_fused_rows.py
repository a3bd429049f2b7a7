"""Rows that fuse other rows of their study: what they read, when they run, and what they need."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rec_lightning.studies.conduct import conduct, prepare
from rec_lightning.studies.plan import jobs_of
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.study import Study

WriteRun = Callable[..., Path]
CONTENT: dict[str, Any] = {
    "title": "t", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10", "seeds": [1, 2],
    "resamples": 100,
    "rows": [
        {"name": "Both", "verb": "fuse", "of": ["A", "EASE"], "overrides": ["fuse=borda"]},  # before what it needs
        {"name": "A", "verb": "train"},
        {"name": "EASE", "verb": "baseline", "overrides": ["baseline=ease"]},
        {"name": "Seeds of A", "verb": "fuse", "of": ["A"]},
    ],
}  # fmt: skip


def rows(**changes: Any) -> dict[str, Any]:
    first, *others = CONTENT["rows"]
    return CONTENT | {"rows": [first | changes, *others]}


def test_each_seed_of_several_rows_or_all_of_one() -> None:
    study = parse_study(CONTENT)
    assert [(row.name, seed) for row, seed in study.runs] == [
        ("Both", 1), ("Both", 2), ("A", 1), ("A", 2), ("EASE", 1), ("Seeds of A", 1),
    ]  # fmt: skip
    both, other, *_, seeds = jobs_of(study, Path("f"), ["data=x", "top_k=[10]", "trainer.max_epochs=1"])
    assert both.printed == (
        "rec-lightning fuse fuse=borda 'top_k=[10]' 'runs=[f/a/seed-1,f/ease/seed-1]' run_dir=f/both/seed-1"
    )
    assert "'runs=[f/a/seed-2,f/ease/seed-1]'" in other.printed  # a baseline has one run
    assert "'runs=[f/a/seed-1,f/a/seed-2]'" in seeds.printed
    assert [len(row.seeds) for row in study.with_seeds([5, 6, 7]).rows] == [3, 3, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": []}, "row 'Both' of verb fuse must name in `of` what it fuses, got []"),
        (
            {"verb": "train"},
            "row 'Both' of verb train has no use for `of`, which fuse and evaluate have, got ['A', 'EASE']",
        ),
        ({"of": ["A", "B"]}, "must name different rows that train or are baselines, some of ['A', 'EASE'], got"),
        ({"of": ["A", "Seeds of A"]}, "must name different rows that train or are baselines"),
        ({"of": ["A", "A"]}, "must name different rows"),
        ({"of": ["EASE"]}, "fuses the seeds of 'EASE', which must be at least two, got [1]. Set seeds"),
        ({"of": ["A"], "seeds": [1, 2]}, "fuses all the seeds of 'A' in one run, got seeds [1, 2]"),
        ({"of": "A"}, "`of` of row 'Both' must be a list of strings"),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_study(rows(**change))


class Bench:
    """Runs copy a run made before, note their start, and fail where they are told to."""

    def __init__(self, folder: Path, made: Path) -> None:
        self.folder, self.made, self.broken, self.notes = folder, made, "", folder.with_name("notes")

    def command(self, verb: str, overrides: Sequence[str]) -> list[str]:
        place = overrides[-1].removeprefix("run_dir=")
        if self.broken and f"/{self.broken}/" in place:
            return [sys.executable, "-c", "import sys; sys.exit('error: planted')"]
        copy = f"import shutil; shutil.copytree({str(self.made)!r}, {place!r}, copy_function=shutil.copy)"
        return [sys.executable, "-c", f"{copy}; print({place!r}, file=open({str(self.notes)!r}, 'a'))"]

    def run(self, study: Study) -> list[str]:
        """The runs that were started, in order."""
        prepare(self.folder)
        self.notes.write_text("")
        self.console = Console(file=io.StringIO(), width=110)
        self.failures = conduct(study, self.jobs, self.folder, self.console).failures
        return [str(Path(line).relative_to(self.folder)) for line in self.notes.read_text().splitlines()]

    def jobs(self, study: Study) -> Any:
        return jobs_of(study, self.folder, command=self.command, resolve=lambda verb, overrides: {})


@pytest.fixture
def bench(tmp_path: Path, write_run: WriteRun) -> Bench:
    made = write_run("made", [1, 2, 30, 40] * 20)
    (made / "config.yaml").write_text("{}")
    return Bench(tmp_path / "study", made)


STUDY = parse_study(CONTENT)


def test_they_run_after_what_they_need_and_again_when_that_changed(bench: Bench) -> None:
    assert bench.run(STUDY) == [
        "a/seed-1", "a/seed-2", "ease/seed-1", "both/seed-1", "both/seed-2", "seeds-of-a/seed-1"
    ]  # fmt: skip
    assert bench.run(STUDY) == []
    shutil.rmtree(bench.folder / "a/seed-2")
    newest = max(path.stat().st_mtime for path in bench.folder.rglob("manifest.json"))
    for path in bench.folder.rglob("manifest.json"):  # a clock that is coarse
        os.utime(path, (newest - 5, newest - 5))
    assert bench.run(STUDY) == ["a/seed-2", "both/seed-2", "seeds-of-a/seed-1"]
    assert (bench.folder / "both/seed-2.replaced-1").is_dir()


def test_one_whose_source_failed_says_so_and_the_others_run(bench: Bench) -> None:
    bench.broken = "ease"
    assert bench.run(STUDY) == ["a/seed-1", "a/seed-2", "seeds-of-a/seed-1"]
    told = {failure.spec.name: failure.error for failure in bench.failures}
    assert told["Both"] == ("it fuses EASE (seed 1), which failed",)
    assert set(told) == {"Both", "EASE"}


def test_a_row_that_is_not_shown_runs_for_those_that_fuse_it(bench: Bench) -> None:
    content = rows()
    content["rows"] = [*content["rows"][:2], content["rows"][2] | {"shown": False}, content["rows"][3]]
    assert "ease/seed-1" in bench.run(parse_study(content))
    told = json.loads((bench.folder / "results.json").read_text())
    assert [row["name"] for row in told["rows"]] == ["Both", "A", "Seeds of A"]
    bench.broken = "ease"
    shutil.rmtree(bench.folder / "ease")
    bench.run(parse_study(content))
    assert {failure.spec.name: failure.error for failure in bench.failures} == {
        "Both": ("it fuses EASE (seed 1), which failed",)
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": ["A", "C"]}, "row 'EASE' is not shown, so another row must fuse it"),
        ({"shown": "no"}, "shown of row 'Both' must be true or false, got 'no'"),
    ],
)
def test_refusals_of_rows_that_are_not_shown(change: dict[str, Any], message: str) -> None:
    content = rows(**change)
    content["rows"] = [*content["rows"], {"name": "C", "verb": "train"}]
    content["rows"][2] = content["rows"][2] | {"shown": False}
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_study(content)


def test_the_same_rule_over_other_rows_is_another_row() -> None:
    from rec_lightning.studies.reading import load_study
    from rec_lightning.study import check, known_keys

    check(load_study("fusion"), [], known_keys())

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from rec_lightning.studies.conduct import conduct, prepare
from rec_lightning.studies.plan import CommandBuilder, jobs_of
from rec_lightning.studies.study import Study

WriteRun = Callable[..., Path]


@pytest.fixture
def fake(write_run: WriteRun) -> CommandBuilder:
    """A verb that copies a run made before, keeps one that is there, and fails for EASE."""
    made = write_run("made", [1, 2, 30, 40] * 20)

    def command(verb: str, overrides: Sequence[str]) -> list[str]:
        folder = overrides[-1].removeprefix("run_dir=").strip("'")
        copy = f"import shutil, os; os.path.exists({folder!r}) or shutil.copytree({str(made)!r}, {folder!r})"
        fail = "import sys; sys.exit('error: l2 must be positive, got 0. Set baseline.l2.')"
        return [sys.executable, "-c", fail if "baseline=ease" in overrides else copy]

    return command


def run(study: Study, folder: Path, command: CommandBuilder) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=110)
    prepare(folder)
    outcome = conduct(study, lambda rows: jobs_of(rows, folder, command=command), folder, console)
    return len(outcome.failures), console.file.getvalue()  # type: ignore[attr-defined]


def test_from_the_rows_to_the_report(study: Study, tmp_path: Path, fake: CommandBuilder) -> None:
    folder = tmp_path / "study"
    code, text = run(study, folder, fake)
    assert code == 1
    assert "[2/3] EASE failed with exit code 1" in text
    assert "error: l2 must be positive, got 0. Set baseline.l2." in text
    assert {path.name for path in (folder / "ease").iterdir()} == {"seed-42.log"}
    assert {path.name for path in (folder / "popularity").iterdir()} == {"seed-42", "seed-42.log"}
    assert text.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert {path.name for path in folder.iterdir()} == {
        "popularity", "ease", "sasrec-ids-text",
        "store.json", "results.json", "table.md", "table.tex", "table.csv",
        "comparison.png", "comparison.svg", "pareto.png", "pareto.svg", "report.html",
    }  # fmt: skip


def test_again_keeps_what_is_complete(study: Study, tmp_path: Path, fake: CommandBuilder) -> None:
    folder = tmp_path / "study"
    run(study, folder, fake)
    _, text = run(study, folder, fake)
    assert "Popularity kept: already complete" in text
    rows = json.loads((folder / "results.json").read_text())["rows"]
    kept = [run.get("kept") for row in rows for run in row["runs"]]
    assert kept == [True, None, True]


def test_a_row_that_leaves_nothing_is_told(study: Study, tmp_path: Path) -> None:
    code, text = run(study, tmp_path / "study", lambda verb, overrides: [sys.executable, "-c", "pass"])
    assert code == 3
    assert "Popularity left no usable result:" in text


def test_all_rows_well(study: Study, tmp_path: Path, fake: CommandBuilder) -> None:
    folder = tmp_path / "study"
    run(study, folder, fake)
    shutil.copytree(folder / "popularity" / "seed-42", folder / "ease" / "seed-42")
    code, text = run(study, folder, lambda verb, overrides: fake(verb, overrides[-1:]))
    assert code == 0
    assert "reference" in text


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"folder must be writable, got .*file/study: .*Set run_dir=PATH"):
        prepare(tmp_path / "file" / "study")

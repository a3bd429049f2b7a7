from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rec_lightning.demo import baseline_keys, check, run, split_folder
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.studies.study import load_study


def test_the_folder_is_taken_out() -> None:
    assert split_folder([]) == (Path("runs/demo"), [])
    assert split_folder(["seed=7", "run_dir='my runs'"]) == (Path("my runs"), ["seed=7"])


@pytest.mark.parametrize("overrides", [["run_dir="], ["run_dir=a", "run_dir=b"]])
def test_one_folder(overrides: list[str]) -> None:
    with pytest.raises(ValueError, match="run_dir must name one folder, got"):
        split_folder(overrides)


def test_baselines_know_the_data_and_the_seed() -> None:
    assert {"data", "seed", "baseline"} <= baseline_keys()
    assert "trainer" not in baseline_keys()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epoch=1", "nearest: trainer.max_epochs"),
        ("data=movielens100", "unknown choice data=movielens100"),
        ("tuning=full", "cannot be set for all, got 'tuning=full'"),
        ("fast", "form option=value"),
    ],
)
def test_a_wrong_override_stops_before_the_first_row(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=message):
        run([override, f"run_dir={tmp_path / 'demo'}"])
    assert not (tmp_path / "demo").exists()


def test_every_row_composes() -> None:
    from rec_lightning.runtime.composition import compose

    for row in load_study("demo").rows:
        compose(row.verb, list(row.overrides))
    check(["seed=7", "data=synthetic"], baseline_keys())


def test_the_import_is_light() -> None:
    code = "import sys, rec_lightning.demo; print({'torch', 'polars', 'matplotlib', 'rich'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_the_launcher_stays_light() -> None:
    modules = "rec_lightning.studies.conduct, rec_lightning.studies.study"
    code = f"import sys, {modules}; print({{'torch', 'polars', 'numpy', 'matplotlib'}} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"

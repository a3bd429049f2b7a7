from __future__ import annotations

import re
from pathlib import Path

import pytest

from rec_lightning.studies.options import Options, parse_options, private_paths


def test_the_words_are_sorted() -> None:
    words = ["seed=7", "experiments/x/study.yaml", "run_dir='my runs'", "~logger", "publish=true", "data.path=a=b"]
    overrides = ("~logger", "data.path=a=b")
    assert parse_options(words) == Options(words[1], Path("my runs"), overrides, 1, (7,), True)


@pytest.mark.parametrize(
    ("study", "folder"),
    [("demo", "runs/demo"), ("experiments/x/study.yaml", "runs/x"), ("a/many.yml", "runs/many")],
)
def test_the_folder_is_named_by_the_study(study: str, folder: str) -> None:
    assert parse_options([study]).folder == Path(folder)


def test_seeds() -> None:
    assert parse_options(["demo", "seeds=[42, 1]"]).seeds == (42, 1)
    assert parse_options(["demo", "seeds=3"]).seeds == (3,)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one slug or path of a study and options as name=value, got []"),
        (["demo", "fast"], "got ['demo', 'fast']"),
        (["demo", "run_dir="], "run_dir must be given once and with a value, got ['']"),
        (["demo", "jobs=1", "jobs=2"], "jobs must be given once and with a value, got ['1', '2']"),
        (["demo", "jobs=two"], "jobs must be whole numbers, got 'two'"),
        (["demo", "seeds=[a]"], "seeds must be whole numbers, got 'a'"),
        (["demo", "publish=yes"], "publish must be true or false, got 'yes'"),
        (["demo", "seed=1", "seeds=[1]"], "seed and seeds cannot both be given"),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_options(words)


def test_paths_of_this_machine_are_known() -> None:
    options = parse_options(["demo", "data.source.path='/data/me/x.txt'", "run_dir=/scratch/a", "trainer.max_epochs=1"])
    hidden = private_paths(options)
    assert hidden["/data/me/x.txt"] == "<data.source.path>"
    assert hidden["/scratch/a"] == "runs/demo"
    assert hidden[f"{Path.cwd()}/"] == ""


def test_where_runs_start() -> None:
    options = parse_options(["demo", "launch=slurm", "launch.partition=gpu", "launch.time=1:00:00", "seed=1"])
    assert (options.launch, options.jobs) == ("slurm", 64)
    assert options.settings == {"partition": "gpu", "time": "1:00:00"}
    assert options.overrides == ()
    with pytest.raises(ValueError, match=re.escape("launch.time must be given once and with a value, got 'time='")):
        parse_options(["demo", "launch=slurm", "launch.time="])

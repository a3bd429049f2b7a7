from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rec_lightning.runtime.rundir import RunDir

CONFIG = OmegaConf.create({"seed": 1, "trainer": {"max_epochs": 3}, "run_dir": "here", "logger": {"offline": True}})


def test_a_new_directory_gets_the_configuration(tmp_path: Path) -> None:
    RunDir(str(tmp_path / "a" / "b"), CONFIG)
    assert OmegaConf.load(tmp_path / "a/b/config.yaml") == CONFIG
    assert [p.name for p in (tmp_path / "a/b").iterdir()] == ["config.yaml"]


def start(place: Path) -> None:
    with RunDir(str(place), CONFIG) as run:
        run.write_json("manifest.json", {"status": "running"})


def test_the_same_configuration_opens_it_again_wherever_it_lies_and_whoever_listens(tmp_path: Path) -> None:
    start(tmp_path)
    other = OmegaConf.merge(CONFIG, {"run_dir": "there", "logger": {"offline": False}})
    RunDir(str(tmp_path), OmegaConf.create(other))


def test_a_group_that_is_left_out_is_no_difference_to_a_run_of_before_there_was_one(tmp_path: Path) -> None:
    start(tmp_path)
    RunDir(str(tmp_path), OmegaConf.create({**CONFIG, "structure": {}}))


def test_an_option_that_a_part_has_had_since_is_no_difference_at_its_default(tmp_path: Path) -> None:
    part = {"_target_": "rec_lightning.backbones.sasrec.SASRec", "width": 8, "max_length": 5}
    with RunDir(str(tmp_path), OmegaConf.create({**CONFIG, "backbone": part})) as run:
        run.write_json("manifest.json", {})
    RunDir(str(tmp_path), OmegaConf.create({**CONFIG, "backbone": {**part, "positions": "from_start"}})).close()
    with pytest.raises(ValueError, match=r"backbone.positions: \(none\) there, from_end now"):
        RunDir(str(tmp_path), OmegaConf.create({**CONFIG, "backbone": {**part, "positions": "from_end"}}))


def test_a_directory_in_which_no_run_came_to_start_takes_another_configuration(tmp_path: Path) -> None:
    RunDir(str(tmp_path), CONFIG).close()
    RunDir(str(tmp_path), OmegaConf.create({"seed": 2}))
    assert OmegaConf.load(tmp_path / "config.yaml") == {"seed": 2}


def test_another_configuration_is_refused_with_what_differs(tmp_path: Path) -> None:
    start(tmp_path)
    other = OmegaConf.create({**OmegaConf.to_container(CONFIG), "trainer": {"max_epochs": 9}, "extra": None})  # type: ignore[dict-item]
    with pytest.raises(ValueError) as error:
        RunDir(str(tmp_path), other)
    assert str(error.value) == (
        f"run_dir {tmp_path} belongs to another configuration (extra: (none) there, None now; "
        "trainer.max_epochs: 3 there, 9 now). Choose another run_dir, or repeat the options it was made with."
    )


def test_a_refusal_lets_go_of_the_directory(tmp_path: Path) -> None:
    start(tmp_path)
    with pytest.raises(ValueError, match="belongs to another configuration"):
        RunDir(str(tmp_path), OmegaConf.create({"seed": 2}))
    RunDir(str(tmp_path), CONFIG)


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match=r"holds thesis.tex and no manifest.json. Choose another run_dir."):
        RunDir(str(tmp_path), CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        OSError, match=r"run_dir must be a directory that can be written, and .*file/run is not \(Not a"
    ):
        RunDir(str(tmp_path / "file" / "run"), CONFIG)


def test_two_processes_cannot_hold_it_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys; from omegaconf import OmegaConf; from rec_lightning.runtime.rundir import RunDir;"
        f"d = RunDir({str(tmp_path)!r}, OmegaConf.create({{'seed': 1}})); print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(ValueError, match="is in use by another process"):
        RunDir(str(tmp_path), OmegaConf.create({"seed": 1}))
    other.kill()
    other.wait()
    RunDir(str(tmp_path), OmegaConf.create({"seed": 1}))


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    run = RunDir(str(tmp_path), CONFIG)
    run.write_json("metrics.json", {"a": 1.0})

    def half(place: Path) -> None:
        place.write_text("{")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.write("metrics.json", half)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": 1.0}


def test_complete_is_what_the_manifest_says(tmp_path: Path) -> None:
    run = RunDir(str(tmp_path), CONFIG)
    assert not run.complete
    run.write_json("manifest.json", {"status": "running"})
    assert not run.complete
    run.write_json("manifest.json", {"status": "complete"})
    assert run.complete

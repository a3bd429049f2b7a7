from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from rec_lightning import __version__
from rec_lightning.studies.conduct import prepare
from rec_lightning.studies.store import flat, keep, open_store, stale

WriteRun = Callable[..., Path]
CONFIG: dict[str, Any] = {
    "run_dir": "a",
    "seed": 42,
    "optimizer": {"lr": 1e-5, "betas": [0.9, 0.95]},
    "logger": {"x": 1},
}


@pytest.fixture
def run(write_run: WriteRun) -> Path:
    folder = write_run("row/seed-42", [1, 2])
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(CONFIG)))
    return folder


def test_what_is_complete_and_unchanged_is_kept(run: Path) -> None:
    assert keep(run, CONFIG)
    assert keep(run, CONFIG | {"run_dir": "elsewhere", "logger": []})
    assert run.is_dir()


def test_what_is_not_complete_goes_on_where_it_is(run: Path, write_run: WriteRun) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    assert not keep(run, CONFIG)
    assert run.is_dir()
    assert not keep(run.with_name("none"), CONFIG)


def test_a_run_without_its_rankings_is_not_kept(run: Path) -> None:
    (run / "rankings.parquet").unlink()
    assert not keep(run, CONFIG)


def test_a_changed_variant_runs_again_beside_the_old_one(run: Path) -> None:
    for number in (1, 2):
        assert not keep(run, CONFIG | {"optimizer": {"lr": 2e-5, "betas": [0.9, 0.95]}})
        assert not run.exists()
        assert (run.with_name(f"seed-42.replaced-{number}") / "rankings.parquet").is_file()
        run.mkdir()
        for name in ("manifest.json", "config.yaml", "rankings.parquet", "metrics.json"):
            (run / name).write_bytes((run.with_name("seed-42.replaced-1") / name).read_bytes())


def test_an_option_that_a_part_got_later_leaves_its_runs(run: Path) -> None:
    old = {"_target_": "rec_lightning.backbones.sasrec.SASRec", "width": 64, "max_length": 50}
    (run / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(CONFIG | {"backbone": old})))
    assert keep(run, CONFIG | {"backbone": old | {"positions": "from_start"}})
    assert not keep(run, CONFIG | {"seed": 1, "backbone": old | {"positions": "from_start"}})


def test_an_option_that_is_not_at_its_default_runs_again(run: Path) -> None:
    old = {"_target_": "rec_lightning.backbones.sasrec.SASRec", "width": 64, "max_length": 50}
    (run / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(CONFIG | {"backbone": old})))
    assert not keep(run, CONFIG | {"backbone": old | {"positions": "from_end"}})


def test_a_broken_configuration_is_none_of_ours(run: Path) -> None:
    (run / "config.yaml").write_text("seed: 42\n a: [")
    assert not keep(run, CONFIG)
    assert not run.exists()


def test_the_code_counts_where_the_study_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    code = {"version": __version__, "commit": "abc", "dirty": False}
    (run / "manifest.json").write_text(json.dumps(manifest | {"code": code}))
    monkeypatch.setattr("rec_lightning.studies.store._commit", lambda: "abc")
    assert keep(run, CONFIG, "version")
    assert keep(run, CONFIG, "commit")
    monkeypatch.setattr("rec_lightning.studies.store._commit", lambda: "def")
    assert keep(run, CONFIG, "version")
    assert not keep(run, CONFIG, "commit")
    assert not run.exists()


def test_floats_and_lists_compare_as_values() -> None:
    # a group left out is none, as in a run of before there was the group
    assert flat({"a": {"b": 0.00001, "c": []}, "d": {}}) == {"a.b": "1e-05", "a.c": "[]"}
    assert flat({"a": 1}) != flat({"a": "1"})


def test_runs_on_old_data_are_moved_aside(write_run: WriteRun) -> None:
    old_data = {"name": "toy", "fingerprint": "e" * 64}
    old, same, other_seed = write_run("a", [1], data=old_data), write_run("b", [1]), write_run("c", [1], data=old_data)
    new = write_run("d", [1])
    assert stale([(old, 1), (same, 1), (other_seed, 2)], [(new, 1)]) == [old]
    assert not old.exists()
    assert other_seed.exists()


def test_a_store_of_another_version(tmp_path: Path) -> None:
    open_store(tmp_path)
    open_store(tmp_path)
    (tmp_path / "store.json").write_text('{"version": 7}')
    with pytest.raises(ValueError, match=r"must have a store of version 1, got 7 in .* Choose another run_dir"):
        prepare(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(ValueError, match=r"must have a store of version 1, got None in"):
        prepare(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(dir: Path) -> Any:  # noqa: A002
        return Path("/dev/full").open("wb", buffering=0)

    monkeypatch.setattr("rec_lightning.studies.conduct.TemporaryFile", full)
    with pytest.raises(ValueError, match=r"must be writable, got .*: No space left on device"):
        prepare(tmp_path)


LAUNCHER = r"""
import json, sys
from pathlib import Path
from rich.console import Console
from rec_lightning.studies.conduct import conduct, prepare
from rec_lightning.studies.plan import jobs_of
from rec_lightning.studies.study import RowSpec, Study

here, made = Path(sys.argv[1]), sys.argv[2]
rows = tuple(RowSpec(f"Row {n}", "train", (f"n={n}",), seeds=(1, 2)) for n in range(12))
study = Study("t", "q", "p", ("ndcg@10",), "ndcg@10", "Row 0", rows, resamples=100)
folder = here / "study"

def resolve(verb, overrides):
    return dict(o.split("=") for o in overrides)

# a run: fails once where it is planted, else copies a run made before and writes down that it was completed
SCRIPT = '''
import json, os, shutil, sys, time
from pathlib import Path
here, made, name, place = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
with open(here / "started", "a") as f: f.write(name + chr(10))
time.sleep(.1)
if name in ("n=3 seed=1", "n=5 seed=2") and not (here / name).exists():
    (here / name).touch()
    sys.exit("error: planted")
shutil.copytree(made, place, dirs_exist_ok=True)
with open(here / "completed", "a") as f: f.write(name + chr(10))
'''

def command(verb, overrides):
    place = overrides[-1].partition("=")[2].strip("'")
    config = json.dumps(resolve(verb, overrides))
    write = "; place.mkdir(parents=True, exist_ok=True); (place / 'config.yaml').write_text(" + repr(config) + ")"
    script = SCRIPT.replace("time.sleep(.1)", "time.sleep(.1)" + write)
    return [sys.executable, "-c", script, str(here), made, " ".join(overrides[:-1]), place]

prepare(folder)
make = lambda rows: jobs_of(rows, folder, command=command, resolve=resolve)
outcome = conduct(study, make, folder, Console(), parallel=3)
print(len(outcome.failures), "failed,", sum(len(line.runs) for line in outcome.lines), "complete")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a killed launcher takes its processes along on Linux only")
def test_a_study_survives_failures_and_a_killed_launcher(tmp_path: Path, write_run: WriteRun) -> None:
    made = write_run("made", np.arange(1, 41))
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path), str(made)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    completed = tmp_path / "completed"
    end = time.monotonic() + 60
    while not completed.exists() or len(completed.read_text().splitlines()) < 13:
        assert time.monotonic() < end
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    before = Counter(completed.read_text().splitlines())
    assert len(before) < 24
    assert {path.name for path in tmp_path.glob("n=*")} == {"n=3 seed=1", "n=5 seed=2"}  # both failures had their turn
    second = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert second.stdout.splitlines()[-1] == "0 failed, 24 complete", second.stdout + second.stderr
    assert set(Counter(completed.read_text().splitlines()).values()) == {1}
    assert len(completed.read_text().splitlines()) == 24
    third = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert third.stdout.count("kept: already complete") == 24
    assert len(completed.read_text().splitlines()) == 24

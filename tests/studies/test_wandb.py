from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Finished, Run
from rec_lightning.studies.ranges import parse_ranges, parse_sweep
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.study import RowSpec, Study
from rec_lightning.studies.wandb_summary import log_summary, upload_command
from rec_lightning.studies.wandb_sweep import sweep_files
from rec_lightning.study import run
from tests.studies.conftest import WriteRun


def test_table_and_pictures_are_a_run_of_the_group_offline(
    study: Study, write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    ranks = {"Popularity": [1] * 10 + [50] * 30, "EASE": [1] * 20 + [50] * 20}
    entries = []
    for spec, seeds in zip(study.rows[:2], ((42,), (42, 7)), strict=True):  # with a spread over seeds, and without
        for seed in seeds:
            row = read_row(write_run(f"{spec.slug}-{seed}", ranks[spec.name]), study.metrics)
            entries.append(Finished(spec, Run(seed, "command", row)))
    comparison = compare(study, entries)
    folder = tmp_path / "study"
    folder.mkdir()
    assert upload_command(folder) is None
    log_summary(comparison, folder, "toys", {"project": "p", "offline": True})
    (place,) = (folder / "wandb").glob("offline-run-*")
    table = json.loads(next(place.rglob("table*.table.json")).read_text())
    assert table["columns"][:3] == ["row", "verb", "runs"]
    assert [line[0] for line in table["data"]] == ["Popularity", "EASE", "SASRec, ids + <text>"]
    assert len(list(place.rglob("*.png"))) >= 2
    log, end = next(place.glob("*.wandb")), time.monotonic() + 60
    while b"toys, summary" not in log.read_bytes():  # its service writes on after the run was finished
        assert time.monotonic() < end
        time.sleep(0.1)
    command = upload_command(folder)
    assert command == f"find {folder} -type d -name 'offline-run-*' -exec wandb sync {{}} +"


def searched(study: Study, ranges: object, **how: object) -> Study:
    from dataclasses import replace

    row = RowSpec("A b", "train", ("items=id", "width=3"), sweep=parse_sweep(how, parse_ranges(ranges)))
    return replace(study, rows=(row,), reference=None)


def test_a_search_as_a_sweep_of_wandb(study: Study) -> None:
    ranges = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "width": {"low": 8, "high": 16, "step": 8},
              "loss": ["bce", "bpr"]}  # fmt: skip
    found = sweep_files(searched(study, ranges, trials=9, pruner="asha", warmup=2), ["data=synthetic"])
    assert found == {"a-b.yaml": {
        "name": "Toys & tests: A b",
        "method": "bayes",
        "metric": {"name": "val/ndcg@10", "goal": "maximize"},
        "run_cap": 9,
        "parameters": {
            "optimizer.lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
            "width": {"values": [8, 16]},
            "loss": {"values": ["bce", "bpr"]},
        },
        "program": "rec-lightning",
        "command": ["rec-lightning", "train", "items=id", "data=synthetic", "seed=42", "test=false",
                    "${args_no_hyphens}"],
        "early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 3},
    }}  # fmt: skip


def test_what_wandb_cannot(study: Study) -> None:
    ranges = {"a": {"low": 0.0, "high": 1.0}}
    with pytest.raises(ValueError, match=r"knows the samplers .*got tpe, median and cost=None in row 'A b'"):
        sweep_files(searched(study, ranges, pruner="median"))
    with pytest.raises(ValueError, match="a sweep of W&B needs ranges, got a study without any"):
        sweep_files(study)


def test_the_front_door_writes_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text(
        "{title: t, question: q, protocol: p, metrics: [ndcg@10], primary: ndcg@10, rows: [{name: A, verb: train, "
        "overrides: [data=synthetic, items=id, tuning=full], search: {optimizer.lr: {low: 1e-4, high: 1e-2}}}]}"
    )
    words = [str(tmp_path / "study.yaml"), f"wandb_sweep={tmp_path / 'sweeps'}", f"run_dir={tmp_path / 'run'}"]
    assert run(words) == 0
    assert capsys.readouterr().out.split() == ["wandb", "sweep", f"{tmp_path}/sweeps/a.yaml"]
    assert yaml.safe_load((tmp_path / "sweeps/a.yaml").read_text())["method"] == "bayes"
    assert not (tmp_path / "run").exists()

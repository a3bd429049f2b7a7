from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.rows import read_row

METRICS = ("hr@10", "ndcg@10")
WriteRun = Callable[..., Path]


def test_reads_what_a_run_leaves(write_run: WriteRun) -> None:
    history = [(0, "val/ndcg@10", 0.1), (1, "val/ndcg@10", 0.2)]
    row = read_row(write_run("run", [3, 1, 11], users=[7, 5, 6], history=history), METRICS)
    assert row.users.to_list() == [5, 6, 7]
    assert isinstance(row.result, Ranks)
    assert row.result.rank.tolist() == [1, 11, 3]  # sorted with their users
    assert row.manifest.share == pytest.approx(73_728 / 22_713_216)
    assert row.manifest.data.name == "toy"
    assert row.history is not None
    assert row.history["value"].to_list() == [0.1, 0.2]


def test_a_model_without_parameters_has_no_share(write_run: WriteRun) -> None:
    row = read_row(write_run("run", [1, 2], parameters={"trainable": 0, "total": 0}), METRICS)
    assert row.manifest.share is None
    assert row.history is None


def test_metrics_that_contradict_the_rankings(write_run: WriteRun) -> None:
    folder = write_run("run", [1, 20], metrics={"test/hr@10": 0.5, "test/ndcg@10": 0.51})
    with pytest.raises(ValueError, match=r"test/ndcg@10 must be equal .* got 0\.510000 and 0\.500000"):
        read_row(folder, METRICS)


def test_a_metric_no_run_logs(write_run: WriteRun) -> None:
    folder = write_run("run", [1, 20], metrics={"val/hr@10": 0.5})
    with pytest.raises(ValueError, match=re.escape("must hold test/hr@10, got ['val/hr@10']")):
        read_row(folder, METRICS)


@pytest.mark.parametrize("name", ["manifest.json", "metrics.json", "rankings.parquet"])
def test_a_missing_file_is_named(write_run: WriteRun, name: str) -> None:
    folder = write_run("run", [1, 2])
    (folder / name).unlink()
    with pytest.raises(ValueError, match=re.escape(f"{folder}: a complete run holds {name}, got none")):
        read_row(folder, METRICS)


@pytest.mark.parametrize("name", ["manifest.json", "rankings.parquet"])
def test_a_broken_file_is_named(write_run: WriteRun, name: str) -> None:
    folder = write_run("run", [1, 2])
    (folder / name).write_text("{")
    with pytest.raises(ValueError, match=re.escape(f"{folder / name}: must")):
        read_row(folder, METRICS)


def test_a_run_that_is_not_complete(write_run: WriteRun) -> None:
    with pytest.raises(ValueError, match="needs a complete run, got status 'running'"):
        read_row(write_run("run", [1, 2], status="running"), METRICS)


def test_a_manifest_with_a_gap(write_run: WriteRun) -> None:
    folder = write_run("run", [1, 2], seconds={"wall": 1.0, "first_step": None})
    with pytest.raises(ValueError, match=r"must say seconds\.cpu"):
        read_row(folder, METRICS)
    (folder / "manifest.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="must hold a JSON object, got list"):
        read_row(folder, METRICS)


def test_a_user_with_several_targets_is_one_user(write_run: WriteRun) -> None:
    row = read_row(write_run("run", [30, 3, 1, 1], users=[6, 5, 5, 6]), METRICS)
    assert row.users.to_list() == [5, 6]
    assert row.targets.to_list() == [{"user": user, "target": 100 + user} for user in (5, 5, 6, 6)]
    assert row.by_user("hr@10").mean() == 0.75
    assert row.by_user("hr@10").tolist() == [1.0, 0.5]  # as many targets each, so the means of their own


@pytest.mark.parametrize("ranks", [[0, 1], [None, 1], [1.5, 2.0]])
def test_ranks_that_are_none(write_run: WriteRun, ranks: list[float | None]) -> None:
    folder = write_run("run", [1, 2])
    table = pl.read_parquet(folder / "rankings.parquet").with_columns(pl.Series("rank", ranks))
    table.write_parquet(folder / "rankings.parquet")
    with pytest.raises(ValueError, match="ranks must be whole numbers from 1, got"):
        read_row(folder, METRICS)


def test_a_history_without_its_columns(write_run: WriteRun) -> None:
    folder = write_run("run", [1, 2])
    (folder / "history.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match="must have the columns epoch, key, value"):
        read_row(folder, METRICS)


def test_what_the_csv_logger_wrote_is_a_history(write_run: WriteRun) -> None:
    folder = write_run("run", [1, 2])
    (folder / "csv").mkdir()
    lines = ["epoch,step,train/loss,val/ndcg@10", "0,1,3.5,", "0,2,,0.1", "1,3,3.1,", "1,4,,0.2"]
    (folder / "csv" / "metrics.csv").write_text("\n".join(lines))
    history = read_row(folder, METRICS).history
    assert history is not None
    assert history.rows() == [(0, "val/ndcg@10", 0.1), (1, "val/ndcg@10", 0.2)]
    (folder / "csv" / "metrics.csv").write_text("step,train/loss\n1,2\n")
    assert read_row(folder, METRICS).history is None

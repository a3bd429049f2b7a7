"""Census-Income: the file of UCI becomes rows without histories, and two tasks learn from its columns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_lightning.cli import main
from rec_lightning.data.module import RecData
from rec_lightning.data.sources.census_income import CensusIncome
from rec_lightning.data.split.random_share import RandomShare


def write(place: Path, rows: int = 200) -> Path:
    """As UCI writes it: the older earn more, those who file no tax never married."""
    draw, lines = np.random.default_rng(0), []
    for number in range(rows):
        values = [str(draw.choice(["a", "b", "c"])) for _ in range(42)]
        for column, most in ((0, 90), (5, 1000), (16, 5000), (17, 900), (18, 700), (30, 6), (39, 52)):
            values[column] = str(draw.integers(0, most))
        alone = number % 3 == 0
        values[7], values[19] = ("Never married", "Nonfiler") if alone else ("Widowed", "Single")
        values[24], values[40], values[41] = "1700.09", "94", "50000+." if int(values[0]) > 45 else "- 50000."
        lines.append(" " + ", ".join(values))
    with gzip.open(place, "wt") as file:
        file.write("\n".join(lines) + "\n")
    return place


def test_a_person_is_a_row_with_two_answers(tmp_path: Path) -> None:
    found = CensusIncome(str(write(tmp_path / "census.gz", 9))).fetch()
    events = found.interactions
    assert events["user"].to_list() == list(range(9))
    assert events["item"].unique().to_list() == ["survey"]
    assert events["never_married"].to_list() == [1, 0, 0] * 3
    assert events["income"].to_list() == (events["age"] > 45).cast(pl.Int8).to_list()
    assert not {"marital_status", "survey_weight"} & set(events.columns)
    assert events.width == 2 + 42 - 2 + 1
    assert CensusIncome(str(tmp_path / "census.gz")).identity()


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1, 2, 3\n")
    with pytest.raises(ValueError, match=r"Census-Income has 42 values a line, and line 1 of .*x\.csv has not"):
        CensusIncome(str(tmp_path / "x.csv")).fetch()
    with pytest.raises(FileNotFoundError, match=r"data.source.path must be census-income.test.gz or .* does not exist"):
        CensusIncome(str(tmp_path / "none.gz")).identity()


def test_nothing_is_ranked_after_no_history(tmp_path: Path) -> None:
    data = RecData(CensusIncome(str(write(tmp_path / "census.gz"))), RandomShare(), max_length=5, cache=False)
    data.prepare()
    with pytest.raises(ValueError, match=r"census-income: no user has two training events, so nothing can be trained"):
        data.train_dataloader()


def test_two_tasks_learn_from_the_columns(cache: Path, tmp_path: Path) -> None:
    place = write(tmp_path / "census.gz", 600)
    line = (
        f"train task=census_income structure=cgc balancing=uncertainty data.source.path={place} width=8 "
        "data.batch_size=32 trainer.max_epochs=6 optimizer.lr=0.01 logger=[] backbone.hidden=[16] structure.hidden=[8] "
        f"data.split.test=0.3 run_dir={tmp_path / 'run'}"
    )
    assert main(line.split()) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test/never_married/auc"] > 0.95
    assert metrics["test/income/auc"] > 0.8
    found = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert found["task"].unique(maintain_order=True).to_list() == ["income", "never_married"]
    assert found.height == 2 * 180


def test_a_backbone_of_columns_ranks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "train task=multitask data=synthetic items=id tuning=full backbone=columns backbone.fields.user_ids=true"
    assert main([*line.split(), f"run_dir={tmp_path / 'run'}"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "task.objectives.next_item ranks what comes after a history, and backbone=Columns reads none." in told

"""``test=false``: a try of a search never sees the test set; the same line with ``test=true`` goes on from there."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from rec_lightning.cli import main

DATA = "data=synthetic data.source.users=40 data.source.items=30 data.source.events_per_user=10".split()
TRAIN = ["train", *DATA, *"items=id tuning=full width=8 max_length=6 trainer.max_epochs=2 compare=[] logger=[]".split()]
BASELINE = ["baseline", *DATA, "baseline=popularity", "logger=[]"]


@pytest.mark.parametrize("words", [TRAIN, BASELINE], ids=["train", "baseline"])
def test_a_run_without_the_test_set_goes_on_to_it_and_ends_as_one_that_was_not_split(
    words: list[str], tmp_path: Path
) -> None:
    whole, split = tmp_path / "whole", tmp_path / "split"
    assert main([*words, f"run_dir={whole}"]) == 0
    assert main([*words, f"run_dir={split}", "test=false"]) == 0
    assert not (split / "rankings.parquet").exists()
    assert json.loads((split / "manifest.json").read_text())["status"] == "validated"
    validated = json.loads((split / "metrics.json").read_text())
    assert validated
    assert all(key.startswith("val/") for key in validated)
    before = (split / "manifest.json").stat().st_mtime_ns
    assert main([*words, f"run_dir={split}", "test=false"]) == 0
    assert (split / "manifest.json").stat().st_mtime_ns == before

    assert main([*words, f"run_dir={split}"]) == 0
    assert (split / "metrics.json").read_text() == (whole / "metrics.json").read_text()
    assert_frame_equal(*(pl.read_parquet(place / "rankings.parquet") for place in (whole, split)), check_exact=True)
    assert json.loads((split / "manifest.json").read_text())["status"] == "complete"


def test_every_epoch_stands_in_the_history(tmp_path: Path) -> None:
    longer = [word.replace("epochs=2", "epochs=4") for word in TRAIN]
    assert main([*longer, f"run_dir={tmp_path}", "trainer.check_val_every_n_epoch=2"]) == 0
    table = pl.read_csv(tmp_path / "history.csv")
    assert table.columns == ["epoch", "key", "value"]
    assert sorted(table["epoch"].unique()) == [2, 4]
    own = table.filter(pl.col("key") == "val/ndcg@10")["value"]
    assert own.max() == pytest.approx(json.loads((tmp_path / "metrics.json").read_text())["val/ndcg@10"])

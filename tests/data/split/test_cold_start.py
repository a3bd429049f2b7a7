"""Some items and users never train, everybody is asked, and ids say nothing of items they never met."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.cli import main
from rec_lightning.contracts import Catalog
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.cold_start import ColdStart
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from rec_lightning.data.tables import to_sequences
from rec_lightning.items.id import IdItems

TABLES = Synthetic(users=80, items=50, seed=2).fetch()


def test_what_is_drawn_never_trains_and_everybody_is_asked_as_ever() -> None:
    cold, catalog = to_sequences(TABLES, ColdStart(items=0.2, users=0.25, seed=3))
    plain, _ = to_sequences(TABLES, LeaveOneOut())
    for role in (1, 2):
        assert ((cold.role == role) == (plain.role == role)).all()
    never = set(np.flatnonzero(catalog.popularity == 0).tolist()) - {0}
    assert len(never) >= 10
    owner = np.repeat(np.arange(80), np.diff(cold.offsets))
    silent = [u for u in range(80) if not (cold.role[owner == u] == 0).any()]
    assert len(silent) == 20
    left_out = (cold.role == 3) & ~np.isin(owner, silent)
    assert set(cold.items[left_out].tolist()) <= never  # for another reason nothing is left out


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"items": 1.0}, "data.split.items must be in [0, 1), got 1.0. Set data.split.items."),
        ({"users": -0.1}, "data.split.users must be in [0, 1), got -0.1. Set data.split.users."),
        ({"items": 0.0, "users": 0.0}, "data.split must hold out items or users, got 0 of both."),
    ],
)
def test_refusals(given: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        ColdStart(**given)


def test_ids_say_nothing_of_items_they_never_met() -> None:
    catalog = Catalog(pl.DataFrame({"item": range(4)}), np.array([0, 3, 0, 2, 0]))
    items = IdItems(catalog, 8)
    assert items.table().any(1).tolist() == [False, True, False, True, False]
    assert items.choice == "2 of 4 items have no training event, so their vectors start at zero"
    assert IdItems(Catalog(catalog.items, np.ones(5, np.int64)), 8).choice is None


def test_features_reach_cold_items_and_ids_give_them_all_one_score(cache: Path, tmp_path: Path) -> None:
    common = (
        "data=synthetic data.source.users=150 data.source.items=60 data.source.events_per_user=10 "
        "data/split=cold_start metrics=cold_start loss=known_softmax tuning=full max_length=8 width=16 compare=[] "
        "trainer.max_epochs=6 logger=[] top_k=[10] monitor=val/ndcg@10 ranking.exclude_seen=false"
    ).split()
    found = {}
    for name, line in {"ids": ["items=id"], "features": ["items=features", "items.categories=[]"]}.items():
        run = tmp_path / name
        assert main(["train", *common, *line, f"run_dir={run}"]) == 0
        found[name] = json.loads((run / "metrics.json").read_text())
    assert found["features"]["test/ndcg_cold_items@10"] > found["ids"]["test/ndcg_cold_items@10"]
    ranks = pl.read_parquet(tmp_path / "ids" / "rankings.parquet")
    weight = torch.load(tmp_path / "ids/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    table = weight["items.embedding.weight"]
    cold = int((~table.any(1)).sum()) - 1
    assert cold >= 12
    # each cold target is tied with all others of its kind
    targets = ranks.filter(pl.col("rank") >= cold)
    assert targets.height > 0

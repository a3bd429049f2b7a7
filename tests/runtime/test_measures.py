"""Parts that ask for the catalogue get it, and a sampled protocol is told in every key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rec_lightning.cli import main
from rec_lightning.contracts import Catalog
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.measures import build_ranking, metric_keys


def test_a_partial_part_gets_the_catalogue(catalog: Catalog) -> None:
    node = compose("train", ["ranking=sampled", "ranking.by=popular"]).ranking
    assert build_ranking(node, catalog)._weight.tolist() == catalog.popularity.tolist()


def test_keys_before_any_data_are_read() -> None:
    config = compose("train", ["top_k=[1,10]"])
    keys = metric_keys(config, Catalog.empty([]))
    assert keys == dict.fromkeys(["hr@1", "hr@10", "ndcg@1", "ndcg@10"], "max")
    config = compose("train", ["top_k=[10]", "ranking=sampled", "ranking.negatives=50"])
    keys = metric_keys(config, Catalog.empty([]))
    assert keys == dict.fromkeys(["sampled_uniform50_hr@10", "sampled_uniform50_ndcg@10"], "max")


def test_every_key_of_a_sampled_run_says_so(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    small = ["data=synthetic", "data.source.users=20", "logger=[]", "ranking=sampled", "ranking.negatives=20"]
    trained = "items=id tuning=full width=8 trainer.max_epochs=1 monitor=val/sampled_uniform20_ndcg@10".split()
    for verb, options in (("baseline", []), ("train", trained)):
        folder = run / verb
        assert main([verb, *small, *options, f"run_dir={folder}"]) == 0
        found = json.loads((folder / "metrics.json").read_text())
        assert "test/sampled_uniform20_ndcg@10" in found
        assert all(key.split("/")[1].startswith("sampled_uniform20_") for key in found)
    assert main(["train", *small, *trained[:-1], f"run_dir={run / 'other'}"]) == 2
    assert "monitor must be a metric of validation (val/sampled_uniform20_hr@1" in capsys.readouterr().err

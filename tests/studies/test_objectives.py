"""Runs of several objectives in studies: each metric names its objective, and a study is about one of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rec_lightning.studies.aims import check_of, direction, is_ranked, objective_of
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.scored import Scores
from tests.studies.conftest import WriteRun

CONFIG = {
    "task": {
        "objectives": {
            "next_item": {"metrics": {"ndcg": {"_target_": "rec_lightning.metrics.ndcg.NDCG", "top_k": [10]}}},
            "like": {"label": {"x": 1}, "metrics": {"auc": {"_target_": "rec_lightning.metrics.roc_auc.RocAUC"}}},
        }
    },
}


def test_a_metric_is_that_of_its_objective() -> None:
    for metric in ("next_item/ndcg@10", "like/auc"):
        check_of(metric, CONFIG)
    assert [is_ranked(metric) for metric in ("next_item/ndcg@10", "like/auc")] == [True, False]
    assert [direction(metric) for metric in ("rating/rmse", "like/auc")] == [-1, 1]
    for metric, message in (
        ("auc", r"a metric must name an objective of its runs \(next_item, like\), got 'auc'"),
        ("click/auc", r"a metric must name an objective of its runs \(next_item, like\), got 'click/auc'"),
        ("like/rmse", "the metric of a study of labels must be one that its runs measure"),
        ("next_item/ndcg@5", "metrics must have a cut-off that the runs log"),
        ("next_item/user_ndcg@10", "UserNDCG is none of theirs, got 'user_ndcg@10'. Set metrics=users for the rows"),
    ):
        with pytest.raises(ValueError, match=message):
            check_of(metric, CONFIG)
    with pytest.raises(ValueError, match=r"a metric must name an objective of its runs \(none\), got 'like/auc'"):
        check_of("like/auc", {"top_k": [10], "label": {}})
    with pytest.raises(ValueError, match=r"the metrics of a study must be of one objective, got like/auc, rating/rmse"):
        objective_of(["like/auc", "rating/rmse"])


def test_a_row_has_the_examples_or_the_ranks_of_its_objective(write_run: WriteRun) -> None:
    folder: Path = write_run("a", [1, 30])
    logged = json.loads((folder / "metrics.json").read_text())
    found = {f"test/next_item/{key.removeprefix('test/')}": value for key, value in logged.items()}
    (folder / "metrics.json").write_text(json.dumps(found | {"test/like/auc": 0.75, "test/rating/rmse": 1.0}))
    like = {"task": ["like"] * 4, "label": [1.0, 0, 1, 0], "prediction": [0.9, 0.5, 0.4, 0.1]}
    rating = {"task": ["rating"] * 4, "label": [5.0, 4, 3, 2], "prediction": [4.0, 3.0, 4.0, 3.0]}
    rows = {"event": [0, 1, 2, 3], "user": ["u0", "u0", "u1", "u1"], "item": ["i"] * 4}
    pl.concat([pl.DataFrame(rows | like), pl.DataFrame(rows | rating)]).write_parquet(folder / "predictions.parquet")
    scored = read_row(folder, ["like/auc"])
    assert isinstance(scored.result, Scores)
    assert scored.result.metric("like/auc") == 0.75
    assert scored.by_user("like/auc").mean() == pytest.approx(0.75)
    assert isinstance(read_row(folder, ["rating/rmse"]).result, Scores)
    ranked = read_row(folder, ["next_item/hr@10"])
    assert ranked.by_user("next_item/hr@10").tolist() == [1, 0]

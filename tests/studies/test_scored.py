"""Intervals and paired tests of scored runs: values against references, and what the bootstrap must know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from rec_lightning.studies.scored import compare_scored

USERS, EACH = 60, 12


def run(folder: Path, noise: float, seed: int = 0, kind: str = "binary", **changes: object) -> Path:
    """Predictions of 60 users with 12 examples each, the worse the more noise; many are equal."""
    folder.mkdir()
    fixed, own = np.random.default_rng(7), np.random.default_rng(seed)
    label = fixed.integers(0, 2, USERS * EACH).astype(np.float32)
    if kind == "number":
        label = fixed.integers(1, 6, USERS * EACH).astype(np.float32)
    value = label + own.normal(0, noise, len(label))
    value = (value / 4 + 0.35).round(2).clip(0, 1) if kind == "binary" else value
    columns = {
        "event": np.arange(len(label)),
        "user": [f"u{n // EACH}" for n in range(len(label))],
        "item": fixed.integers(0, 9, len(label)),
        "label": label,
        "prediction": value.astype(np.float32),
    }
    pl.DataFrame(columns | changes).write_parquet(folder / "predictions.parquet")
    return folder


def test_values_are_those_of_independent_references(tmp_path: Path) -> None:
    folder = run(tmp_path / "a", 1.0)
    frame = pl.read_parquet(folder / "predictions.parquet")
    value, label = (torch.tensor(frame[name].to_numpy()) for name in ("prediction", "label"))
    found = compare_scored({"a": folder}, "auc", "a", draws=50)["a"]
    assert found.value.mean == pytest.approx(float(binary_auroc(value, label.long())), abs=1e-6)
    assert found.difference is found.p is found.holm is None
    number = run(tmp_path / "b", 1.0, kind="number")
    frame = pl.read_parquet(number / "predictions.parquet")
    apart = (frame["prediction"] - frame["label"]).to_numpy().astype(float)
    for metric, expected in (("rmse", np.sqrt((apart**2).mean())), ("mae", np.abs(apart).mean())):
        assert compare_scored({"b": number}, metric, "b", draws=50)["b"].value.mean == pytest.approx(expected)


def test_a_draw_weighs_examples_as_copies_of_their_users_would(tmp_path: Path) -> None:
    """The AUC of a draw equals that of a table in which a user stands as often as drawn."""
    from rec_lightning.studies.scored import _METRICS

    frame = pl.read_parquet(run(tmp_path / "a", 1.0) / "predictions.parquet")
    value, label = frame["prediction"].to_numpy().astype(float), frame["label"].to_numpy().astype(float)
    user = np.repeat(np.arange(USERS), EACH)
    times = np.random.default_rng(1).multinomial(USERS, np.full(USERS, 1 / USERS), 3)
    for metric in ("auc", "log_loss", "rmse", "mae"):
        found = _METRICS[metric](value, label, user, times)
        for row, often in zip(found, times, strict=True):
            rows = np.repeat(np.arange(len(user)), often[user])
            one = np.ones((1, USERS), np.int64)
            # copies of a user keep the user's number, which no metric reads but to look the weight up
            assert row == pytest.approx(_METRICS[metric](value[rows], label[rows], user[rows], one)[0])


def test_a_better_row_is_found_and_an_equal_one_is_not(tmp_path: Path) -> None:
    runs = {
        "reference": run(tmp_path / "a", 1.0, 1),
        "better": run(tmp_path / "b", 0.6, 2),
        "alike": run(tmp_path / "c", 1.0, 3),
    }
    found = compare_scored(runs, "auc", "reference", draws=400)
    better, alike = found["better"], found["alike"]
    assert better.difference is not None
    assert alike.difference is not None
    assert better.difference.low > 0
    assert better.p == pytest.approx(2 / 401)
    assert better.holm == pytest.approx(4 / 401)
    assert alike.difference.low < 0 < alike.difference.high
    assert found == compare_scored(runs, "auc", "reference", draws=400)


def test_intervals_are_wider_where_users_differ(tmp_path: Path) -> None:
    """720 examples that are alike within a user tell as much as 60."""
    shift = np.repeat(np.random.default_rng(0).normal(0, 1, USERS), EACH).astype(np.float32)
    label = np.full(USERS * EACH, 3, np.float32)
    folder = run(tmp_path / "a", 1.0, kind="number", label=label, prediction=label + shift)
    found = compare_scored({"a": folder}, "mae", "a", draws=500)["a"].value
    each = np.abs(shift[::EACH])
    assert found.high - found.low == pytest.approx(2 * 1.96 * each.std() / USERS**0.5, rel=0.15)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a", 1.0), run(tmp_path / "b", 1.0, item=1)
    with pytest.raises(ValueError, match=r"b was not tested on those of a\. Compare runs of the same data"):
        compare_scored({"a": one, "b": two}, "auc", "a")
    with pytest.raises(ValueError, match="metric must be one of auc, log_loss, rmse, mae, got 'hr@10'"):
        compare_scored({"a": one}, "hr@10", "a")
    with pytest.raises(ValueError, match="reference must be one of a, got 'c'"):
        compare_scored({"a": one}, "auc", "c")
    with pytest.raises(ValueError, match=r"holds predictions.parquet, and .*none does not. Run task=scoring"):
        compare_scored({"none": tmp_path / "none"}, "auc", "none")

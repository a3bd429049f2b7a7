"""Values of labelled examples against references, their draws, and what tests and intervals make of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats
from torchmetrics.functional.classification import binary_auroc

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Comparison, Finished, Run
from rec_lightning.studies.findings import findings
from rec_lightning.studies.pairs import winner
from rec_lightning.studies.publish import publish
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.scored import Scores, read_scores
from rec_lightning.studies.study import RowSpec, Study
from tests.studies.conftest import manifest

USERS, EACH = 60, 12
METRICS = {
    "binary": ("auc", "gauc", "uauc", "log_loss"),
    "number": ("rmse", "mae"),
    "classes": ("accuracy", "log_loss"),
}


def table(noise: float, seed: int = 0, kind: str = "binary") -> pl.DataFrame:
    """Predictions of 60 users with 12 examples each, the worse the more noise; many are equal."""
    fixed, own = np.random.default_rng(7), np.random.default_rng(seed)
    label = fixed.integers(0, 2, USERS * EACH).astype(np.float32)
    label[:EACH] = 1  # a user with one class
    if kind == "number":
        label = fixed.integers(1, 6, USERS * EACH).astype(np.float32)
    value: Any = label + own.normal(0, noise, len(label))
    value = (value / 4 + 0.35).round(2).clip(0, 1) if kind == "binary" else value
    if kind == "classes":
        share = own.uniform(0.1, 0.9, len(label))
        value = pl.Series(np.stack([1 - share, share], 1).tolist(), dtype=pl.List(pl.Float32))
    columns = {
        "event": np.arange(len(label)),
        "user": [f"u{n // EACH:02}" for n in range(len(label))],
        "item": fixed.integers(0, 9, len(label)),
        "label": label,
        "prediction": value if kind == "classes" else value.astype(np.float32),
    }
    return pl.DataFrame(columns)


def write(folder: Path, frame: pl.DataFrame, kind: str = "binary") -> Path:
    folder.mkdir()
    frame.write_parquet(folder / "predictions.parquet")
    scores = read_scores(frame)
    logged = {f"test/{metric}": scores.metric(metric) for metric in METRICS[kind]}
    (folder / "metrics.json").write_text(json.dumps(logged))
    (folder / "manifest.json").write_text(json.dumps(manifest()))
    return folder


def study_of(tmp_path: Path, noise: dict[str, list[float]], kind: str = "binary", **changes: Any) -> Comparison:
    """Rows by name with the noise of each of their runs, compared to the first."""
    metrics = METRICS[kind]
    rows = tuple(RowSpec(name, "train", (name,), seeds=tuple(range(len(each)))) for name, each in noise.items())
    study = Study("t", "q", "p", metrics, metrics[0], rows[0].name, rows, resamples=1000, **changes)
    entries = []
    for number, row in enumerate(rows):
        for seed, one in enumerate(noise[row.name]):
            folder = write(tmp_path / f"{number}-{seed}", table(one, 10 * number + seed + 1, kind), kind)
            entries.append(Finished(row, Run(seed, "c", read_row(folder, metrics))))
    return compare(study, entries)


def test_values_are_those_of_independent_references() -> None:
    frame = table(1.0)
    value, label = (torch.tensor(frame[name].to_numpy()) for name in ("prediction", "label"))
    found = read_scores(frame)
    assert found.metric("auc") == pytest.approx(float(binary_auroc(value, label.long())), abs=1e-6)
    own = [float(binary_auroc(value[n : n + EACH], label[n : n + EACH].long())) for n in range(EACH, len(value), EACH)]
    assert found.metric("uauc") == pytest.approx(np.mean(own), abs=1e-6)
    number = table(1.0, kind="number")
    apart = (number["prediction"] - number["label"]).to_numpy().astype(float)
    assert read_scores(number).metric("rmse") == pytest.approx(np.sqrt((apart**2).mean()))
    assert read_scores(number).metric("mae") == pytest.approx(np.abs(apart).mean())
    classes = table(1.0, kind="classes")
    most = np.array(classes["prediction"].to_list()).argmax(1)
    assert read_scores(classes).metric("accuracy") == pytest.approx((most == classes["label"].to_numpy()).mean())


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind, each in METRICS.items() for metric in each])
def test_a_draw_weighs_examples_as_copies_of_their_users_would(kind: str, metric: str) -> None:
    """A draw's metric is that of a table in which a user stands as often as drawn, each time as another user."""
    scores = read_scores(table(1.0, kind=kind))
    (drawn,) = scores.drawn(metric, 1, seed=3)
    often = np.random.default_rng(3).multinomial(USERS, np.full(USERS, 1 / USERS))
    rows = [np.flatnonzero(scores.user == user) for user, times in enumerate(often) for _ in range(times)]
    user = np.concatenate([np.full(len(own), n) for n, own in enumerate(rows)])
    chosen = np.concatenate(rows)
    copies = Scores(user, scores.label[chosen], scores.value[chosen])
    assert drawn == pytest.approx(copies.metric(metric))


@pytest.mark.parametrize(("kind", "metric"), [(kind, metric) for kind, each in METRICS.items() for metric in each])
def test_the_linear_part_has_the_metric_as_mean_and_the_spread_of_the_draws(kind: str, metric: str) -> None:
    scores = read_scores(table(1.0, kind=kind))
    linear = scores.by_user(metric)
    assert linear.shape == (USERS,)
    assert linear.mean() == pytest.approx(scores.metric(metric))
    # with one user left out the metric changes as the linear part says, but for terms of second order
    rest = scores.user != 5
    without = Scores(np.unique(scores.user[rest], return_inverse=True)[1], scores.label[rest], scores.value[rest])
    expected = scores.metric(metric) - (linear[5] - linear.mean()) / (USERS - 1)
    assert without.metric(metric) == pytest.approx(expected, abs=2e-4 * max(1, abs(expected)))
    drawn = scores.drawn(metric, 1000, 0)
    assert linear.std(ddof=1) / USERS**0.5 == pytest.approx(drawn.std(ddof=1), rel=0.1)


def test_a_better_row_is_found_and_an_equal_one_is_not(tmp_path: Path) -> None:
    found = study_of(tmp_path, {"reference": [1.0], "better": [0.6], "alike": [1.0]})
    _, better, alike = found.lines
    assert better.versus is not None
    assert alike.versus is not None
    assert better.versus.low > 0 > alike.versus.low
    assert better.evidence is not None
    assert better.evidence.test == "bootstrap over users"
    assert better.evidence.p == pytest.approx(2 / 1001)
    assert better.evidence.holm == pytest.approx(4 / 1001)
    assert winner(found, "auc") is better
    assert winner(found, "log_loss") is better
    assert findings(found)[0].startswith("better beats reference by ")


def test_errors_are_better_when_small(tmp_path: Path) -> None:
    found = study_of(tmp_path, {"reference": [1.0], "better": [0.6]}, "number")
    assert found.lines[1].versus is not None
    assert found.lines[1].versus.high < 0
    assert winner(found, "rmse") is found.lines[1]
    assert findings(found)[0].startswith("better beats reference by ")


def test_a_mean_over_users_is_tested_by_sign_flips(tmp_path: Path) -> None:
    found = study_of(tmp_path, {"reference": [1.0], "better": [0.8]})
    uauc = compare(replace(found.study, primary="uauc"), [Finished(line.spec, line.runs[0]) for line in found.lines])
    evidence = uauc.lines[1].evidence
    assert evidence is not None
    assert evidence.test == "random sign flips over users"
    one, other = (line.row.result.by_user("uauc")[1:] for line in uauc.lines)
    assert evidence.p == pytest.approx(stats.ttest_1samp(one - other, 0).pvalue, abs=0.02)


def test_several_seeds_are_crossed_with_users(tmp_path: Path) -> None:
    found = study_of(tmp_path, {"reference": [1.0, 1.02], "better": [0.5, 0.51]})
    line = found.lines[1]
    assert line.evidence is not None
    assert line.evidence.test.startswith("Student's t with seeds and users")
    assert line.evidence.supported
    assert line.spread["auc"] > 0


def test_intervals_are_wider_where_users_differ(tmp_path: Path) -> None:
    """720 examples that are alike within a user tell as much as 60."""
    shift = np.repeat(np.random.default_rng(0).normal(0, 1, USERS), EACH).astype(np.float32)
    frame = table(1.0, kind="number").with_columns(label=pl.lit(3.0, pl.Float32), prediction=pl.Series(3 + shift))
    drawn = read_scores(frame).drawn("mae", 1000, 0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert high - low == pytest.approx(2 * 1.96 * np.abs(shift[::EACH]).std() / USERS**0.5, rel=0.15)


def test_a_report_of_scores_is_written(tmp_path: Path) -> None:
    found = study_of(tmp_path, {"reference": [1.0], "better": [0.6], "third": [0.9]})
    report = publish(found, tmp_path).read_text()
    assert "log loss" in report
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["rows"][1]["users"] == USERS
    assert "\\mathbf" in (tmp_path / "table.tex").read_text()


def test_what_cannot_be_compared_has_no_result(tmp_path: Path) -> None:
    a, b = (
        write(tmp_path / name, frame) for name, frame in (("a", table(1.0)), ("b", table(1.0).with_columns(item=1)))
    )
    rows = tuple(RowSpec(name, "train", (name,)) for name in ("a", "b"))
    study = Study("t", "q", "p", ("auc",), "auc", "a", rows)
    entries = [Finished(row, Run(0, "c", read_row(folder, ["auc"]))) for row, folder in zip(rows, (a, b), strict=True)]
    assert "tested on the same users and targets" in compare(study, entries).failures[0].error[0]
    with pytest.raises(ValueError, match="ndcg@10 needs a run that ranks, and it scored labels"):
        read_row(a, ["ndcg@10"])
    logged = json.loads((a / "metrics.json").read_text())
    (a / "metrics.json").write_text(json.dumps(logged | {"test/auc": 0.1}))
    with pytest.raises(ValueError, match=r"test/auc must be equal in metrics\.json and predictions\.parquet, got 0\.1"):
        read_row(a, ["auc"])
    table(1.0).with_columns(label=pl.lit(None, pl.Float32)).write_parquet(a / "predictions.parquet")
    with pytest.raises(ValueError, match="must hold examples of two users at least, and no nulls"):
        read_row(a, ["auc"])

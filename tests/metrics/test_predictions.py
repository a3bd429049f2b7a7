"""Metrics of predictions: known values, independent references, one value whatever the batches and processes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_calibration_error,
    binary_f1_score,
    binary_precision,
    binary_recall,
)

from rec_lightning.contracts import Catalog, Predictions
from rec_lightning.metrics.at_threshold import AtThreshold, best_threshold
from rec_lightning.metrics.by_example import ByExample
from rec_lightning.metrics.class_scores import ClassScores
from rec_lightning.metrics.errors import Errors
from rec_lightning.metrics.expected_calibration import ExpectedCalibration
from rec_lightning.metrics.grouped_auc import GroupedAUC
from rec_lightning.metrics.label_slices import LabelSlices
from rec_lightning.metrics.log_loss import LogLoss
from rec_lightning.metrics.roc_auc import RocAUC
from rec_lightning.runtime.measures import build_metrics
from tests.members import composed, members

ROWS, USERS, ITEMS = 400, 30, 20


@cache
def known() -> Catalog:
    generator = np.random.default_rng(3)
    popularity = np.append(0, generator.integers(0, 30, ITEMS))
    events = pl.DataFrame({"trains": [False] * ROWS, "known": generator.integers(0, 30, ROWS)})
    return Catalog(pl.DataFrame({"item": range(ITEMS)}), popularity, events=events)


@cache
def made(kind: str) -> Predictions:
    """400 predictions, many of them equal; of three users all labels are equal."""
    generator = np.random.default_rng(0)
    user = np.sort(generator.integers(0, USERS, ROWS))
    label = generator.integers(0, 2, ROWS).astype(np.float32)
    label[user < 3] = 1
    value = np.round((label + generator.normal(0, 1, ROWS)) / 4 + 0.4, 1).clip(0, 1).astype(np.float32)
    if kind == "number":
        label = generator.integers(1, 6, ROWS).astype(np.float32)
        value = (label + generator.normal(0, 1, ROWS)).clip(1, 5).astype(np.float32)
    if kind == "classes":
        label = generator.integers(0, 3, ROWS).astype(np.float32)
        raw = generator.random((ROWS, 3)) + np.eye(3)[label.astype(int)] * 0.5
        value = (raw / raw.sum(1, keepdims=True)).astype(np.float32)
    columns = (np.arange(ROWS), user, generator.integers(1, ITEMS + 1, ROWS), label, value)
    return Predictions(*(torch.from_numpy(column) for column in columns))


def value_of(metric: ByExample, predictions: Predictions) -> dict[str, float]:
    metric.update(predictions)
    return {key: float(value) for key, value in metric.compute().items()}


def test_auc_equals_torchmetrics_with_ties() -> None:
    found = made("binary")
    reference = float(binary_auroc(found.value.double(), found.label.long()))
    assert value_of(RocAUC(), found)["auc"] == pytest.approx(reference, abs=1e-6)


def test_grouped_auc_is_the_weighted_mean_of_each_users() -> None:
    found = made("binary")
    aucs, sizes = [], []
    for user in range(USERS):
        rows = found.user == user
        if 0 < found.label[rows].sum() < rows.sum():
            aucs.append(float(binary_auroc(found.value[rows], found.label[rows].long())))
            sizes.append(int(rows.sum()))
    assert len(aucs) <= USERS - 3
    got = value_of(GroupedAUC(), found)
    assert got["gauc"] == pytest.approx(np.average(aucs, weights=sizes), abs=1e-6)
    assert got["uauc"] == pytest.approx(np.mean(aucs), abs=1e-6)


def test_log_loss_and_entropy_against_numpy() -> None:
    found = made("binary")
    p, y = found.value.double().clamp(1e-7, 1 - 1e-7).numpy(), found.label.double().numpy()
    loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
    base = -(y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean()))
    got = value_of(LogLoss(), found)
    assert got["log_loss"] == pytest.approx(loss)
    assert got["normalised_entropy"] == pytest.approx(loss / base)
    mean = Predictions(found.event, found.user, found.item, found.label, torch.full((ROWS,), float(y.mean())))
    assert value_of(LogLoss(), mean)["normalised_entropy"] == pytest.approx(1, abs=1e-6)


def test_calibration_equals_torchmetrics() -> None:
    found = made("binary")
    value = found.value * 0.9 + 0.037  # off the edges of the bins, where the two cut differently
    moved = Predictions(found.event, found.user, found.item, found.label, value)
    reference = float(binary_calibration_error(value, found.label.long(), n_bins=15, norm="l1"))
    assert value_of(ExpectedCalibration(), moved)["ece"] == pytest.approx(reference, abs=1e-6)


def test_the_threshold_is_that_of_the_best_f1_on_validation_and_held_on_test() -> None:
    found = made("binary")
    label = found.label.long()
    f1 = {t: float(binary_f1_score((found.value >= t).float(), label)) for t in found.value.unique()}
    best = best_threshold(found.value, found.label)
    assert f1[next(t for t in f1 if t == best)] == max(f1.values())
    validation, test = AtThreshold(), AtThreshold()
    validation.choosing = True
    assert value_of(validation, found)["threshold"] == pytest.approx(float(best))
    assert value_of(test, found)["threshold"] == 0.5
    fixed = AtThreshold(0.3)
    fixed.choosing = True
    got, chosen = value_of(fixed, found), (found.value >= 0.3).long()
    assert got["threshold"] == pytest.approx(0.3)
    assert got["precision"] == pytest.approx(float(binary_precision(chosen, label)))
    assert got["recall"] == pytest.approx(float(binary_recall(chosen, label)))
    assert got["f1"] == pytest.approx(float(binary_f1_score(chosen, label)))
    assert got["accuracy"] == pytest.approx(float((chosen == label).double().mean()))


def test_errors_by_hand() -> None:
    rows = torch.arange(2)
    got = value_of(Errors(), Predictions(rows, rows, rows, torch.tensor([1.0, 5.0]), torch.tensor([2.0, 3.0])))
    assert got == {"rmse": pytest.approx(math.sqrt(2.5)), "mae": 1.5}


def test_class_scores_by_hand() -> None:
    rows = torch.arange(4)
    value = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    got = value_of(ClassScores(), Predictions(rows, rows, rows, torch.tensor([0.0, 1.0, 1.0, 2.0]), value))
    assert got["accuracy"] == 0.75
    assert got["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert got["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.7, 0.3, 0.8])), rel=1e-6)


def test_slices_are_the_metric_of_their_rows() -> None:
    found, catalog = made("number"), known()
    got = value_of(LabelSlices(catalog, Errors(), few=7), found)
    users = torch.from_numpy(catalog.events["known"].to_numpy())[found.event]
    items = torch.from_numpy(catalog.popularity)[found.item]
    for of, events in (("users", users), ("items", items)):
        for name, rows in (("cold", events < 7), ("warm", events >= 7)):
            assert got[f"rmse_{name}_{of}"] == value_of(Errors(), found.take(rows))["rmse"]
    assert set(got) == set(LabelSlices(catalog, Errors()).higher)
    # thirds by brute force: every event stands for its user, every item for each of its events
    activity = sorted(catalog.events["known"].to_list())
    events = sorted(number for number in catalog.popularity.tolist() for _ in range(number))
    for of, own, whole, names in (
        ("users", users, activity, ("light", "medium", "heavy")),
        ("items", items, events, ("tail", "middle", "head")),
    ):
        third = torch.tensor([3 * sum(other < size for other in whole) // len(whole) for size in own.tolist()])
        for number, name in enumerate(names):
            assert got[f"rmse_{name}_{of}"] == value_of(Errors(), found.take(third == number))["rmse"]


def collected(choice: str) -> tuple[MetricCollection, Predictions]:
    metrics = build_metrics(composed("metrics", choice), known())
    return MetricCollection(metrics, compute_groups=[list(metrics)]), made(  # type: ignore[arg-type]
        {"rating": "number"}.get(choice, choice)
    )


def parts(orders: list[Tensor], choice: str) -> dict[str, float]:
    collection, whole = collected(choice)
    for rows in orders:
        collection.update(whole.take(rows))
    return {key: float(value) for key, value in collection.compute().items()}


@pytest.mark.parametrize("choice", members("metrics", scoring=True))
def test_one_value_to_the_last_bit_whatever_the_batches_and_their_order(choice: str) -> None:
    whole = parts([torch.arange(ROWS)], choice)
    assert all(math.isfinite(value) for value in whole.values())
    # as two processes see it: every second row, theirs behind ours
    assert parts([*torch.arange(0, ROWS, 2).split(7), *torch.arange(1, ROWS, 2).split(50)], choice) == whole


@pytest.mark.parametrize("choice", members("metrics", scoring=True))
def test_every_key_says_whether_more_is_better(choice: str) -> None:
    collection, _ = collected(choice)
    better = {key for metric in collection.values() for key in metric.higher}  # type: ignore[union-attr]
    assert set(parts([torch.arange(ROWS)], choice)) - better <= {"threshold"}


def test_one_class_has_no_auc_and_no_entropy() -> None:
    found = made("binary")
    ones = found.take(found.label == 1)
    assert math.isnan(value_of(RocAUC(), ones)["auc"])
    assert math.isnan(value_of(GroupedAUC(), ones)["gauc"])
    assert math.isnan(value_of(LogLoss(), ones)["normalised_entropy"])
    assert math.isnan(value_of(RocAUC(), found.take(found.label > 1))["auc"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AtThreshold(1.5), r"metrics.at_threshold.threshold must be in 0..1, got 1.5"),
        (lambda: ExpectedCalibration(0), "metrics.ece.bins must be at least 1, got 0"),
        (lambda: LabelSlices(known(), Errors(), few=0), "metrics.slices.few must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]

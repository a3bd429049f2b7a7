"""Losses over labels: known values, independent references, and what every one of them promises."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax

from rec_lightning.losses.cross_entropy import CrossEntropy
from rec_lightning.losses.focal import Focal
from rec_lightning.losses.huber import Huber
from rec_lightning.losses.listwise import Listwise
from rec_lightning.losses.log_loss import LogLoss
from rec_lightning.losses.ordinal import Ordinal
from rec_lightning.losses.pairwise import Pairwise
from rec_lightning.losses.squared_error import SquaredError
from tests.members import member, members

LABELS = {
    "binary": SimpleNamespace(kind="binary", low=0.0, high=1.0, step=1.0, drawn=2),
    "number": SimpleNamespace(kind="number", low=1.0, high=5.0, step=1.0),
    "classes": SimpleNamespace(kind="classes", low=0.0, high=2.0, step=1.0),
}


def prepared(choice: str) -> tuple[Any, int, Any]:
    loss = member("loss", choice)
    label = LABELS[loss.kinds[0]]
    return loss, loss.prepare(label), label


def labels(label: Any, rows: int = 40, candidates: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(int(label.low), int(label.high) + 1, (rows, candidates), generator=generator).float()


@pytest.mark.parametrize("choice", members("loss", scoring=True))
def test_scores_learnt_by_heart_predict_their_labels(choice: str) -> None:
    loss, outputs, label = prepared(choice)
    aim = labels(label)
    scores = torch.zeros(*aim.shape, outputs, requires_grad=True)
    optimizer = torch.optim.Adam([scores, *loss.parameters()], lr=0.1)
    first = loss(scores, aim).item()
    for _ in range(300):
        optimizer.zero_grad()
        found = loss(scores, aim)
        found.backward()
        optimizer.step()
    # rows with two positive candidates share the unit of probability between them
    share = aim.sum(1).clamp(min=1).log().sum() / (aim.sum(1) > 0).sum() if choice == "listwise" else 0.0
    assert found.item() - share < 0.35 * first
    value = loss.predict(scores.detach())
    if label.kind == "classes":
        assert torch.allclose(value.sum(-1), torch.ones(aim.shape))
        assert torch.equal(value.argmax(-1).float(), aim)
    elif choice in ("pairwise", "listwise"):  # an order within each row
        for row, wanted in zip(value, aim, strict=True):
            if 0 < wanted.sum() < 3:
                assert row[wanted == 1].min() > row[wanted == 0].max()
    else:
        assert (value - aim).abs().max() < 0.3


@pytest.mark.parametrize("choice", members("loss", scoring=True))
def test_predictions_lie_in_the_range_whatever_the_scores(choice: str) -> None:
    loss, outputs, label = prepared(choice)
    value = loss.predict(torch.tensor([-50.0, 0.0, 50.0]).view(3, 1, 1).expand(3, 1, outputs))
    low, high = (0, 1) if label.kind == "classes" else (label.low, label.high)
    assert value.min() >= low
    assert value.max() <= high


@pytest.mark.parametrize("choice", members("loss", scoring=True))
def test_a_label_of_another_kind_is_refused(choice: str) -> None:
    loss = member("loss", choice)
    for kind, label in LABELS.items():
        if kind not in loss.kinds:
            with pytest.raises(ValueError, match=rf"^loss={choice} needs a label that is .* is {kind}\. Set loss="):
                loss.prepare(label)


def test_log_loss_against_numpy() -> None:
    generator = np.random.default_rng(0)
    score, label = generator.normal(size=(9, 2)), generator.integers(0, 2, (9, 2)).astype(float)
    p = expit(score)

    def reference(smoothing: float, weight: float) -> float:
        aim = label * (1 - smoothing) + smoothing / 2
        each = -(aim * np.log(p) + (1 - aim) * np.log(1 - p))
        return float(np.average(each, weights=np.where(label == 1, weight, 1)))

    scores, aims = torch.tensor(score).unsqueeze(-1), torch.tensor(label)
    for smoothing, weight in ((0.0, 1.0), (0.2, 1.0), (0.1, 3.0)):
        assert float(LogLoss(smoothing, weight)(scores, aims)) == pytest.approx(reference(smoothing, weight))
    own = np.where(label == 1, p, 1 - p)
    expected = float((-((1 - own) ** 2) * np.log(own)).mean())
    assert float(Focal(2.0)(scores, aims)) == pytest.approx(expected)
    assert float(Focal(0.0, 3.0)(scores, aims)) == pytest.approx(reference(0.0, 3.0))


def test_focal_has_a_gradient_where_the_model_is_sure() -> None:
    scores = torch.tensor([[[80.0]], [[-80.0]], [[0.0]]], requires_grad=True)
    Focal(0.5)(scores, torch.tensor([[1.0], [1.0], [0.0]])).backward()
    assert torch.isfinite(scores.grad).all()


def test_squared_error_and_huber_in_the_units_of_the_label() -> None:
    scores, aim = torch.tensor([[[0.5]], [[-2.0]]]), torch.tensor([[5.0], [1.0]])
    # 3 + .5 * 2 = 4 and 3 - 2 * 2 = -1
    loss, huber = SquaredError(), Huber(delta=1.0)
    for each in (loss, huber):
        each.prepare(LABELS["number"])
    assert float(loss(scores, aim)) == pytest.approx((1 + 4) / 2)
    assert float(huber(scores, aim)) == pytest.approx((1 + 2 * (2 - 0.5)) / 2)
    assert loss.predict(scores).tolist() == [[4.0], [1.0]]


def test_ordinal_against_numpy() -> None:
    loss = Ordinal()
    loss.prepare(LABELS["number"])
    # levels are equally likely at score 0, whose expectation is the middle
    assert torch.allclose(loss.bounds.sigmoid(), torch.tensor([0.2, 0.4, 0.6, 0.8]))
    assert loss.predict(torch.zeros(1)).item() == pytest.approx(3.0)
    score, aim = torch.tensor([[[0.3]], [[-1.0]]]), torch.tensor([[4.0], [1.0]])
    p = expit(score.numpy() - loss.bounds.detach().numpy())  # (2, 1, 4)
    above = np.array([[[1, 1, 1, 0]], [[0, 0, 0, 0]]])
    expected = -(above * np.log(p) + (1 - above) * np.log(1 - p)).sum(-1).mean()
    assert loss(score, aim).item() == pytest.approx(float(expected))


def test_cross_entropy_against_numpy() -> None:
    generator = np.random.default_rng(0)
    score, label = generator.normal(size=(7, 1, 3)), generator.integers(0, 3, (7, 1))
    logs = log_softmax(score, -1)
    own = np.take_along_axis(logs, label[..., None], -1)[..., 0]
    weight = np.array([1.0, 2.0, 5.0])[label]
    found = CrossEntropy(weights=[1.0, 2.0, 5.0])(torch.tensor(score).float(), torch.tensor(label))
    assert float(found) == pytest.approx(float(-(own * weight).sum() / weight.sum()), rel=1e-5)
    smooth = CrossEntropy(smoothing=0.3)(torch.tensor(score), torch.tensor(label))
    assert float(smooth) == pytest.approx(float(-(0.7 * own + 0.3 * logs.mean(-1)).mean()))


def test_pairwise_and_listwise_by_hand() -> None:
    scores = torch.tensor([[[2.0], [1.0], [0.0]], [[1.0], [5.0], [9.0]]])
    aim = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # nothing to compare in the second row
    pairs = [math.log1p(math.exp(-1)), math.log1p(math.exp(-2))]
    assert float(Pairwise()(scores, aim)) == pytest.approx(sum(pairs) / 2)
    assert float(Listwise()(scores, aim)) == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)))
    alone = SimpleNamespace(kind="binary", low=0.0, high=1.0, step=1.0)
    for loss in (Pairwise(), Listwise()):
        with pytest.raises(ValueError, match="compares the candidates of a row, and label=SimpleNamespace draws none"):
            loss.prepare(alone)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogLoss(smoothing=1.0), r"loss.smoothing must be in \[0, 1\), got 1.0"),
        (lambda: LogLoss(positive_weight=0), "loss.positive_weight must be positive, got 0"),
        (lambda: Focal(gamma=-1), "loss.gamma must not be negative, got -1"),
        (lambda: Huber(delta=0), "loss.delta must be positive, got 0"),
        (lambda: CrossEntropy(weights=[1, 0]), r"loss.weights must be positive numbers, got \[1, 0\]"),
        (lambda: CrossEntropy(weights=[1, 1]).prepare(LABELS["classes"]), "one for each of the 3 classes, got 2"),
        (
            lambda: Ordinal().prepare(SimpleNamespace(kind="number", low=0, high=1, step=None)),
            "loss=ordinal needs a label with levels, and label.step is null",
        ),
    ],
)
def test_values_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

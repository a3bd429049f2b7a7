"""The losses over negatives against the formulas of their papers, and the correction against the whole catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.bce import BCE
from rec_lightning.losses.bpr import BPR
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.gbce import GBCE
from rec_lightning.losses.sampled_softmax import SampledSoftmax

N = 30
CATALOG = Catalog(pl.DataFrame({"item": range(N)}), np.array([0, *(1 + i % 7 for i in range(N))]))


def case(positions: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(positions, 8, generator=generator), torch.randn(N + 1, 8, generator=generator)
    return queries, keys, torch.randint(1, N + 1, (positions,), generator=generator)


def everything() -> Negatives:
    """Every item once."""
    return Negatives(torch.arange(1, N + 1), torch.ones(N))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def by_formula(each: Callable[[float, list[float]], float], negatives: Negatives) -> float:
    """Mean over positions of ``each(target's score, scores of the negatives that are not the target)``."""
    queries, keys, target = case()
    values = []
    for p, aim in enumerate(target.tolist()):
        items = (negatives.items if negatives.items.ndim == 1 else negatives.items[p]).tolist()
        score = (keys.double() @ queries[p].double()).numpy()
        values.append(each(score[aim], [score[i] for i in items if i != aim]))
    return float(np.mean(values))


@pytest.mark.parametrize("count", [1, 4, 29])
@pytest.mark.parametrize("shared", [True, False])
def test_equal_their_formulas(shared: bool, count: int) -> None:
    queries, keys, target = case()
    rate = count / (N if shared else N - 1)
    alpha, t = min(rate, 1.0), 0.75
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)  # as in the gSASRec paper
    formulas: list[tuple[Any, Callable[[float, list[float]], float]]] = [
        (SampledSoftmax(count, shared), lambda s, o: -s + np.log(np.exp(s) + sum(np.exp(x) / rate for x in o))),
        (SampledSoftmax(count, shared, correct=False), lambda s, o: -s + np.log(np.exp(s) + sum(np.exp(x) for x in o))),
        (BCE(count, shared), lambda s, o: -np.log(sigmoid(s)) - sum(np.log(1 - sigmoid(x)) for x in o)),
        (BPR(count, shared), lambda s, o: -np.mean([np.log(sigmoid(s - x)) for x in o]) if o else 0),
        (
            GBCE(count, t, shared),
            lambda s, o: -(np.log(sigmoid(s) ** beta) + sum(np.log(1 - sigmoid(x)) for x in o)) / (count + 1),
        ),
    ]
    for loss, formula in formulas:
        loss.prepare(CATALOG)
        negatives = loss.negatives(target)
        expected = by_formula(formula, negatives)
        assert loss(queries, keys, target, negatives).item() == pytest.approx(expected, abs=1e-5)


def test_softmax_over_every_item_once_is_the_full_softmax() -> None:
    queries, keys, target = case()
    one, two = queries.clone().requires_grad_(), queries.clone().requires_grad_()
    (full := FullSoftmax()(one, keys, target)).backward()
    (sampled := SampledSoftmax()(two, keys, target, everything())).backward()
    assert sampled.item() == pytest.approx(full.item(), abs=1e-6)
    assert torch.allclose(one.grad, two.grad, atol=1e-6)


def test_gbce_without_calibration_is_bce() -> None:
    queries, keys, target = case()
    one, two = GBCE(4, 0.0), BCE(4)
    one.prepare(CATALOG)
    negatives = one.negatives(target)
    assert one(queries, keys, target, negatives).item() * 5 == pytest.approx(
        two(queries, keys, target, negatives).item(), abs=1e-6
    )


@pytest.mark.parametrize("loss", [SampledSoftmax, BCE, BPR, GBCE])
def test_no_negatives_are_refused(loss: type) -> None:
    with pytest.raises(ValueError, match=r"^loss.count must be at least 1, got 0. Set loss.count.$"):
        loss(count=0)


@pytest.mark.parametrize("loss", [SampledSoftmax, BCE, BPR, GBCE])
@pytest.mark.parametrize(
    ("items", "count", "text"),
    [
        (1, 1, "negatives need a catalogue of at least 2 items, got 1. Choose other data."),
        (
            5,
            5,
            "loss.count must be below the catalogue size (5), got 5. Set loss.count, or score every item with "
            "loss=chunked_softmax.",
        ),
    ],
)
def test_a_catalogue_that_is_too_small_is_refused(loss: Any, items: int, count: int, text: str) -> None:
    few = Catalog(pl.DataFrame({"item": range(items)}), np.array([0, *[1] * items]))
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        loss(count=count).prepare(few)


def test_gbce_values_out_of_range() -> None:
    text = "loss.calibration must be in [0, 1], got 1.5. Set loss.calibration."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        GBCE(calibration=1.5)

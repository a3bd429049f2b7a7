"""The losses over negatives against the formulas of their papers, and the draws against their probabilities."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Negatives
from rec_lightning.losses.bce import BCE
from rec_lightning.losses.bpr import BPR
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.gbce import GBCE
from rec_lightning.losses.sampled_softmax import SampledSoftmax
from rec_lightning.losses.uniform import Uniform, negative_scores

N = 30


def case(positions: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(positions, 8, generator=generator), torch.randn(N + 1, 8, generator=generator)
    return queries, keys, torch.randint(1, N + 1, (positions,), generator=generator)


def everything() -> Negatives:
    """Every item once."""
    return Negatives(torch.arange(1, N + 1), torch.ones(N))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def by_formula(each: Callable[[float, list[float]], float], shared: bool, count: int) -> tuple[float, Negatives]:
    """Mean over positions of ``each(target's score, scores of the negatives that are not the target)``."""
    queries, keys, target = case()
    torch.manual_seed(1)
    negatives = Uniform(count, shared).draw(target, N)
    values = []
    for p, aim in enumerate(target.tolist()):
        items = (negatives.items if shared else negatives.items[p]).tolist()
        score = (keys.double() @ queries[p].double()).numpy()
        values.append(each(score[aim], [score[i] for i in items if i != aim]))
    return float(np.mean(values)), negatives


@pytest.mark.parametrize("count", [1, 4, 40])
@pytest.mark.parametrize("shared", [True, False])
def test_equal_their_formulas(shared: bool, count: int) -> None:
    queries, keys, target = case()
    rate = count / (N if shared else N - 1)
    alpha, t = min(rate, 1.0), 0.75
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)  # as in the gSASRec paper
    formulas: list[tuple[torch.nn.Module, Callable[[float, list[float]], float]]] = [
        (SampledSoftmax(), lambda s, o: -s + np.log(np.exp(s) + sum(np.exp(x) / rate for x in o))),
        (SampledSoftmax(correct=False), lambda s, o: -s + np.log(np.exp(s) + sum(np.exp(x) for x in o))),
        (BCE(), lambda s, o: -np.log(sigmoid(s)) - sum(np.log(1 - sigmoid(x)) for x in o)),
        (BPR(), lambda s, o: -np.mean([np.log(sigmoid(s - x)) for x in o]) if o else 0),
        (
            GBCE(calibration=t),
            lambda s, o: -(np.log(sigmoid(s) ** beta) + sum(np.log(1 - sigmoid(x)) for x in o)) / (count + 1),
        ),
    ]
    for loss, formula in formulas:
        expected, negatives = by_formula(formula, shared, count)
        assert loss(queries, keys, target, negatives).item() == pytest.approx(expected, abs=1e-5)


def test_softmax_over_every_item_once_is_the_full_softmax() -> None:
    queries, keys, target = case()
    one, two = queries.clone().requires_grad_(), queries.clone().requires_grad_()
    (full := FullSoftmax()(one, keys, target)).backward()
    (sampled := SampledSoftmax()(two, keys, target, everything())).backward()
    assert sampled.item() == pytest.approx(full.item(), abs=1e-6)
    assert torch.allclose(one.grad, two.grad, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_the_corrected_denominator_estimates_the_whole_catalogue(shared: bool) -> None:
    queries, keys, target = case(1)
    uniform = Uniform(200_000, shared)
    whole = FullSoftmax()(queries, keys, target).item()
    sampled = SampledSoftmax()(queries, keys, target, uniform.draw(target, N)).item()
    assert sampled == pytest.approx(whole, abs=0.03)


def test_gbce_without_calibration_is_bce() -> None:
    queries, keys, target = case()
    negatives = Uniform(4, False).draw(target, N)
    found = GBCE(count=4, calibration=0)(queries, keys, target, negatives)
    assert found.item() * 5 == pytest.approx(BCE()(queries, keys, target, negatives).item(), abs=1e-6)


def test_draws_of_a_position_are_all_items_but_its_target_alike() -> None:
    target = torch.tensor([1, 3, 5])
    drawn = Uniform(8000, shared=False).draw(target, 5)
    for row, aim in zip(drawn.items, target.tolist(), strict=True):
        counts = torch.bincount(row, minlength=6)
        assert counts[[0, aim]].tolist() == [0, 0]
        others = [i for i in range(1, 6) if i != aim]
        assert torch.allclose(counts[others] / 8000, torch.tensor(0.25), atol=0.03)
    assert torch.equal(drawn.rate, torch.full((3, 8000), 8000 / 4))
    assert torch.equal(Uniform(10, shared=True).draw(target, 5).rate, torch.full((10,), 2.0))


def test_scores_are_the_same_by_every_way() -> None:
    queries, _, target = case()
    keys = torch.randn(200, 8)
    items = torch.randint(1, 200, (6, 3))
    few = negative_scores(queries, keys, target, Negatives(items, torch.ones(6, 3)))[0]  # 200 > 32 * 3
    many = negative_scores(queries, keys[:90], target, Negatives(items % 89 + 1, torch.ones(6, 3)))[0]
    assert torch.allclose(few, (queries @ keys.T).gather(1, items), atol=1e-5)
    assert torch.allclose(many, (keys[items % 89 + 1] * queries.unsqueeze(1)).sum(2), atol=1e-5)


@pytest.mark.parametrize("loss", [SampledSoftmax, BCE, BPR, GBCE])
def test_no_negatives_are_refused(loss: type) -> None:
    with pytest.raises(ValueError, match=r"^loss.count must be at least 1, got 0. Set loss.count.$"):
        loss(count=0)


@pytest.mark.parametrize("loss", [SampledSoftmax, BCE, BPR])
def test_a_catalogue_of_one_item_is_refused(loss: type) -> None:
    text = "negatives need a catalogue of at least 2 items, got 1. Choose other data."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        loss().negatives(torch.tensor([1]), 1)


def test_gbce_values_out_of_range() -> None:
    text = "loss.calibration must be in [0, 1], got 1.5. Set loss.calibration."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        GBCE(calibration=1.5)

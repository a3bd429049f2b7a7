"""What every loss of ``conf/loss`` promises, and the softmax losses against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.chunked_softmax import ChunkedSoftmax
from rec_lightning.losses.full_softmax import FullSoftmax
from tests.members import composed, member, members

# each loss, and each that draws negatives with every kind of them: bce, bce/mixed, ...
LOSSES = [
    loss if kind is None else f"{loss}/{kind}"
    for loss in members("loss")
    for kind in ([None, *members("loss/negatives")] if "negatives" in composed("loss", loss) else [None])
]


def case(positions: int = 11, items: int = 30, width: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(positions, width, generator=generator, requires_grad=True)
    keys = torch.randn(items + 1, width, generator=generator, requires_grad=True)
    return queries, keys, torch.randint(1, items + 1, (positions,), generator=generator)


def softmax_by_numpy(queries: Tensor, keys: Tensor, target: Tensor, smoothing: float = 0.0) -> float:
    logits = queries.detach().double().numpy() @ keys.detach().double().numpy()[1:].T
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    at_target = logs[np.arange(len(logs)), target.numpy() - 1]
    return float(-((1 - smoothing) * at_target + smoothing * logs.mean(1)).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_full_softmax_equals_the_formula(smoothing: float) -> None:
    queries, keys, target = case()
    found = FullSoftmax(smoothing)(queries, keys, target)
    assert found.item() == pytest.approx(softmax_by_numpy(queries, keys, target, smoothing), abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("rows", [1, 4, 5, 11, 12, 256, None])
def test_chunked_equals_full_in_value_and_gradient(rows: int | None, smoothing: float) -> None:
    one, two = case(), case()
    # a factor in front, as gradient accumulation has
    (full := 3 * FullSoftmax(smoothing)(*one)).backward()
    (chunked := 3 * ChunkedSoftmax(rows, smoothing)(*two)).backward()
    assert chunked.item() == pytest.approx(full.item(), rel=1e-6)
    for mine, reference in zip(two[:2], one[:2], strict=True):
        assert torch.allclose(mine.grad, reference.grad, rtol=0, atol=1e-6)


def test_chunked_holds_its_own_with_large_scores() -> None:
    queries, keys, target = case()
    found = ChunkedSoftmax(4)(queries * 300, keys, target)
    assert found.item() == pytest.approx(FullSoftmax()(queries * 300, keys, target).item(), rel=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_chunked_gives_a_gradient_to_the_one_side_that_wants_it(which: int) -> None:
    one, two = case(), case()
    for sides in (one, two):
        sides[1 - which].requires_grad_(False)
    FullSoftmax()(*one).backward()
    ChunkedSoftmax(4)(*two).backward()
    assert torch.allclose(two[which].grad, one[which].grad, rtol=0, atol=1e-6)


@pytest.mark.parametrize("sides", [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)])
def test_chunked_takes_sides_of_two_precisions_under_autocast(sides: tuple[torch.dtype, torch.dtype]) -> None:
    # a projection gives bfloat16 keys, a layer norm float32 queries
    one, two = case(), case()
    with torch.autocast("cpu", torch.bfloat16):
        full = FullSoftmax()(*one)
        chunked = ChunkedSoftmax(4)(two[0].to(sides[0]), two[1].to(sides[1]), two[2])
    full.backward()
    chunked.backward()
    assert chunked.item() == pytest.approx(full.item(), rel=0.02)
    for mine, reference in zip(two[:2], one[:2], strict=True):
        assert (mine.grad - reference.grad).norm() < 0.03 * reference.grad.norm()


def catalog(items: int) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(items)}), np.array([0, *range(1, items + 1)]))


def drawn(choice: str, target: Tensor, items: int) -> tuple[Any, Negatives | None]:
    """A loss and its negatives, of which some equal a target."""
    torch.manual_seed(0)
    name, _, kind = choice.partition("/")
    small = {"count": "loss.count=5", "factor": "loss.factor=9"}  # buckets that hold every position
    options = [option for key, option in small.items() if key in composed("loss", name)]
    loss = member("loss", name, *options, *([f"loss/negatives={kind}"] if kind else []))
    loss.prepare(catalog(items))
    negatives = loss.negatives(target)
    if negatives is not None and negatives.items.ndim == 1:
        negatives.items[0] = target[2]
    return loss, negatives


def of(negatives: Negatives | None, rows: Tensor) -> Negatives | None:
    """The part of some positions."""
    if negatives is None or negatives.items.ndim == 1:
        return negatives
    return Negatives(negatives.items[rows], negatives.rate[rows])


@pytest.mark.parametrize("choice", LOSSES)
def test_the_padding_takes_no_part(choice: str) -> None:
    queries, keys, target = case()
    loss, negatives = drawn(choice, target, 30)
    torch.manual_seed(1)
    value = loss(queries, keys, target, negatives)
    value.backward()
    assert value.shape == ()
    assert keys.grad is not None
    assert queries.grad is not None
    assert not keys.grad[0].any()
    assert keys.grad[target].any(1).all()
    assert queries.grad.any(1).all()
    other = keys.detach().clone()
    other[0] = 1e4
    torch.manual_seed(1)
    assert torch.equal(loss(queries, other, target, negatives), value)


@pytest.mark.parametrize("choice", LOSSES)
def test_only_targets_and_negatives_take_part(choice: str) -> None:
    queries, keys, target = case()
    loss, negatives = drawn(choice, target, 30)
    if negatives is None:
        return
    loss(queries, keys, target, negatives).backward()
    assert keys.grad is not None
    asked = set(target.tolist()) | set(negatives.items.flatten().tolist())
    assert set(keys.grad.any(1).nonzero().flatten().tolist()) == asked


@pytest.mark.parametrize("choice", LOSSES)
def test_the_mean_is_over_positions_in_any_order(choice: str) -> None:
    queries, keys, target = case()
    loss, negatives = drawn(choice, target, 30)
    rows = [torch.tensor([i]) for i in range(len(target))]
    each = torch.stack([loss(queries[i], keys, target[i], of(negatives, i)) for i in rows])
    order = torch.randperm(len(target))
    for found in (
        loss(queries, keys, target, negatives),
        loss(queries[order], keys, target[order], of(negatives, order)),
    ):
        assert found.item() == pytest.approx(each.mean().item(), abs=1e-5)


@pytest.mark.parametrize("choice", LOSSES)
def test_it_falls_with_the_targets_score_and_rises_with_the_others(choice: str) -> None:
    scores, target = torch.randn(1, 31, requires_grad=True), torch.tensor([7])
    loss, negatives = drawn(choice, torch.tensor([7, 3, 7, 9, 12]), 30)  # some draws hit the first one's target
    negatives = of(negatives, torch.tensor([0]))
    loss(scores, torch.eye(31), target, negatives).backward()
    assert scores.grad is not None
    others = torch.arange(1, 31) if negatives is None else negatives.items.flatten()
    assert scores.grad[0, 7] < 0
    assert (scores.grad[0, others[others != 7]] > 0).all()


@pytest.mark.parametrize("choice", LOSSES)
def test_draws_repeat_with_the_seed_and_stay_in_the_catalogue(choice: str) -> None:
    target = torch.arange(1, 8)
    loss, first = drawn(choice, target, 7)
    _, second = drawn(choice, target, 7)
    if first is None or second is None:
        return
    assert torch.equal(first.items, second.items)
    many = torch.cat([loss.negatives(target).items.flatten() for _ in range(200)])
    assert set(many.tolist()) == set(range(1, 8))


@pytest.mark.parametrize("head", members("head"))
@pytest.mark.parametrize("choice", members("loss"))
def test_every_loss_takes_the_scores_of_every_head(choice: str, head: str) -> None:
    queries, keys, target = case()
    loss, negatives = drawn(choice, target, 30)
    scores = member("head", head)
    loss(scores.queries(queries), scores.keys(keys), target, negatives).backward()
    assert torch.isfinite(queries.grad).all()
    assert queries.grad.any()


@pytest.mark.parametrize("choice", members("loss"))
def test_a_target_outside_the_catalogue_is_never_taken_in_silence(choice: str) -> None:
    queries, keys, target = case()
    loss, negatives = drawn(choice, target, 30)
    target[3] = 31
    with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)"):
        loss(queries, keys, target, negatives)


def test_values_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^loss.rows must be at least 1, got 0. Set loss.rows.$"):
        ChunkedSoftmax(0)
    text = r"^loss.label_smoothing must be in \[0, 1\), got 1.0. Set loss.label_smoothing.$"
    for loss in (FullSoftmax, ChunkedSoftmax):
        with pytest.raises(ValueError, match=text):
            loss(label_smoothing=1.0)

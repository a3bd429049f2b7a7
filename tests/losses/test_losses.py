"""What every loss of ``conf/loss`` promises, and the softmax losses against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.losses.chunked_softmax import ChunkedSoftmax
from rec_lightning.losses.full_softmax import FullSoftmax
from tests.members import member, members

LOSSES = members("loss")


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


@pytest.mark.parametrize("rows", [1, 4, 5, 11, 12, 256])
def test_chunked_equals_full_in_value_and_gradient(rows: int) -> None:
    one, two = case(), case()
    # a factor in front, as gradient accumulation has
    (full := 3 * FullSoftmax()(*one)).backward()
    (chunked := 3 * ChunkedSoftmax(rows)(*two)).backward()
    assert chunked.item() == pytest.approx(full.item(), abs=1e-6)
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


@pytest.mark.parametrize("choice", LOSSES)
def test_the_padding_takes_no_part(choice: str) -> None:
    loss = member("loss", choice)
    queries, keys, target = case()
    if loss.negatives(target, 30) is not None:
        pytest.skip("covered with its negatives")
    value = loss(queries, keys, target)
    value.backward()
    assert keys.grad is not None
    assert not keys.grad[0].any()
    assert keys.grad[1:].any()
    other = keys.detach().clone()
    other[0] = 1e4
    assert torch.equal(loss(queries, other, target), value)


@pytest.mark.parametrize("choice", LOSSES)
def test_the_mean_is_over_positions(choice: str) -> None:
    loss = member("loss", choice)
    queries, keys, target = case()
    if loss.negatives(target, 30) is not None:
        pytest.skip("covered with its negatives")
    each = torch.stack([loss(queries[i : i + 1], keys, target[i : i + 1]) for i in range(len(target))])
    assert loss(queries, keys, target).item() == pytest.approx(each.mean().item(), abs=1e-6)
    # and the order of positions does not matter
    order = torch.randperm(len(target))
    assert loss(queries[order], keys, target[order]).item() == pytest.approx(each.mean().item(), abs=1e-6)


def test_values_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^loss.rows must be at least 1, got 0. Set loss.rows.$"):
        ChunkedSoftmax(0)
    text = r"^loss.label_smoothing must be in \[0, 1\), got 1.0. Set loss.label_smoothing.$"
    with pytest.raises(ValueError, match=text):
        FullSoftmax(1.0)

"""SCE against a loop over buckets in NumPy, and against the full softmax where buckets hold everything."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.sce import SCE

POSITIONS, N, WIDTH = 40, 60, 8


def case() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(POSITIONS, WIDTH, generator=generator, requires_grad=True)
    keys = torch.randn(N + 1, WIDTH, generator=generator, requires_grad=True)
    return queries, keys, torch.randint(1, N + 1, (POSITIONS,), generator=generator)


def by_loops(queries: Tensor, keys: Tensor, target: Tensor, directions: Tensor, rows: int, items: int) -> float:
    q, k, y, b = (x.detach().double().numpy() for x in (queries, keys, target, directions))
    y = y.astype(int)
    best: dict[int, float] = {}
    for direction in b:
        chosen_rows = np.argsort(-(q @ direction))[:rows]
        chosen_items = 1 + np.argsort(-(k[1:] @ direction))[:items]
        for p in chosen_rows:
            own = q[p] @ k[y[p]]
            others = [q[p] @ k[i] for i in chosen_items if i != y[p]]
            loss = -own + np.log(np.exp(own) + np.exp(others).sum())
            best[p] = max(best.get(p, -np.inf), loss)
    assert len(best) < POSITIONS  # some positions are in no bucket
    return float(np.mean(list(best.values())))


@pytest.mark.parametrize("mix", [True, False])
def test_equals_a_loop_over_buckets(mix: bool) -> None:
    queries, keys, target = case()
    torch.manual_seed(5)
    found = SCE(factor=0.7, items=9, mix=mix)(queries, keys, target)
    torch.manual_seed(5)
    count = 4  # .7 * sqrt(40), rounded
    directions = torch.randn(count, POSITIONS) @ queries if mix else torch.randn(count, WIDTH)
    assert found.item() == pytest.approx(by_loops(queries, keys, target, directions, count, 9), abs=1e-5)


def test_with_everything_in_every_bucket_it_is_the_full_softmax() -> None:
    one, two = case(), case()
    (full := FullSoftmax()(*one)).backward()
    (sce := SCE(factor=10, items=100)(*two)).backward()
    assert sce.item() == pytest.approx(full.item(), abs=1e-5)
    for mine, reference in zip(two[:2], one[:2], strict=True):
        assert torch.allclose(mine.grad, reference.grad, atol=1e-5)


def test_buckets_follow_the_generator() -> None:
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(SCE(factor=0.7, items=5)(*case()).item())
    assert values[0] == values[1] != values[2]


def test_the_padding_is_in_no_bucket() -> None:
    queries, keys, target = case()
    with torch.no_grad():
        keys[0] = 100 * queries.sum(0)
    for seed in range(5):
        torch.manual_seed(seed)
        SCE(factor=0.7, items=9)(queries, keys, target).backward()
    assert keys.grad is not None
    assert not keys.grad[0].any()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SCE(factor=0), "loss.factor must be positive, got 0. Set loss.factor."),
        (lambda: SCE(items=0), "loss.items must be at least 1, got 0. Set loss.items."),
    ],
    ids=["factor", "items"],
)
def test_values_out_of_range(make: Callable[[], SCE], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        make()

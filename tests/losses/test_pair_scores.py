from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rec_lightning.losses import pair_scores as module
from rec_lightning.losses.pair_scores import pair_scores

# one way for few rows of keys, the other for many
CASES = [(40, 3, 50), (40, 3, 500), (300, 7, 90), (300, 7, 900), (5, 1, 4), (5, 1, 400)]


def case(positions: int, count: int, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    queries, keys = (torch.randn(n, 8, dtype=torch.float64, requires_grad=True) for n in (positions, rows))
    return queries, keys, torch.randint(rows, (positions, count))


def plain(queries: Tensor, keys: Tensor, items: Tensor) -> Tensor:
    return (keys[items] * queries.unsqueeze(1)).sum(2)


@pytest.mark.parametrize("sizes", CASES)
def test_scores_and_gradients_are_those_of_a_plain_product(
    sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fitting_rows", lambda *_: 64)  # several chunks
    queries, keys, items = case(*sizes)
    slope = torch.randn(items.shape, dtype=torch.float64)
    expected = torch.autograd.grad((plain(queries, keys, items) * slope).sum(), (queries, keys))
    scores = pair_scores(queries, keys, items)
    assert torch.allclose(scores, plain(queries, keys, items), atol=1e-12)
    found = torch.autograd.grad((scores * slope).sum(), (queries, keys))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("rows", [50, 500])
def test_an_item_that_a_position_has_twice_counts_twice(rows: int) -> None:
    queries, keys, _ = case(1, 3, rows)
    pair_scores(queries, keys, torch.tensor([[2, 4, 2]])).sum().backward()
    assert torch.allclose(keys.grad[2], 2 * queries[0])  # type: ignore[index]
    assert torch.allclose(keys.grad[4], queries[0])  # type: ignore[index]
    assert keys.grad.count_nonzero() == 2 * 8  # type: ignore[union-attr]


@pytest.mark.parametrize("rows", [50, 500])
def test_vectors_that_are_fixed_get_no_gradient(rows: int) -> None:
    queries, keys, items = case(6, 3, rows)
    pair_scores(queries, keys.detach(), items).sum().backward()
    assert torch.allclose(queries.grad, keys.detach()[items].sum(1))  # type: ignore[arg-type]
    pair_scores(queries.detach(), keys, items).sum().backward()
    assert torch.allclose(keys.grad[items[0, 0]], queries[(items == items[0, 0]).any(1)].sum(0))  # type: ignore[index]


@pytest.mark.parametrize("rows", [50, 500])
def test_under_autocast_the_products_are_short_and_the_sums_are_not(rows: int) -> None:
    queries, keys, items = (x.detach().float() if x.is_floating_point() else x for x in case(400, 3, rows))
    short = [x.clone().requires_grad_() for x in (queries, keys)]
    long = [x.bfloat16().float().requires_grad_() for x in (queries, keys)]
    with torch.autocast("cpu", torch.bfloat16):
        scores = pair_scores(*short, items)
    assert scores.dtype == torch.bfloat16
    scores.float().sum().backward()
    expected = pair_scores(*long, items)
    expected.sum().backward()
    assert torch.allclose(scores.float(), expected, rtol=1e-2, atol=1e-2)
    for a, b in zip(short, long, strict=True):
        assert (a.grad - b.grad).norm() < 5e-3 * b.grad.norm()  # type: ignore[operator, union-attr]


def test_no_position_and_no_pairs_are_scored() -> None:
    queries, keys, items = case(0, 3, 500)
    scores = pair_scores(queries, keys, items)
    assert scores.shape == (0, 3)
    scores.sum().backward()
    assert not keys.grad.any()  # type: ignore[union-attr]

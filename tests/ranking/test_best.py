"""The best candidates against a full sort, whatever the chunks; seen items and filters; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rec_lightning.ranking.best import Best
from rec_lightning.ranking.topk import largest


def seen_of(lists: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    offsets = torch.tensor(np.cumsum([0, *map(len, lists)]))
    return torch.tensor([i for own in lists for i in own], dtype=torch.long), offsets


@pytest.mark.parametrize("chunk", [7, 64, 8192])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_equals_a_full_sort_of_the_candidates_that_are_left(chunk: int, k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    queries, keys = torch.randn(70, 6, generator=generator), torch.randn(201, 6, generator=generator)
    candidates = torch.randperm(200, generator=generator)[:90] + 1
    lists = [torch.randperm(200, generator=generator)[: user % 30].add(1).tolist() for user in range(70)]
    best = Best(candidates, 200, k, chunk)
    items, scores = best.of_vectors(queries, keys[candidates], *seen_of(lists))
    every = queries @ keys.T
    for user, own in enumerate(lists):
        left = [c for c in candidates.tolist() if c not in own]
        expected = sorted(left, key=lambda c: -every[user, c])[:k]
        assert items[user].tolist() == expected
        assert scores[user].tolist() == pytest.approx(every[user, expected].tolist(), abs=1e-5)
    again, same = best.of_scores(every, *seen_of(lists))
    assert torch.equal(again, items)
    assert torch.allclose(same, scores, atol=1e-5)


def test_fewer_than_k_are_filled_with_zeros() -> None:
    best = Best(torch.tensor([1, 2, 4]), 4, 3)
    items, scores = best.of_scores(torch.tensor([[9.0, 1.0, 2.0, 8.0, 3.0]]), *seen_of([[2, 3]]))
    assert items.tolist() == [[4, 1, 0]]
    assert scores.tolist() == [[3.0, 1.0, -torch.inf]]
    assert Best(torch.tensor([1, 2]), 4, 9).k == 2


def test_what_is_no_number_is_refused() -> None:
    best = Best(torch.tensor([1, 2]), 2, 1)
    with pytest.raises(ValueError, match="a score is not finite"):
        best.of_vectors(torch.tensor([[torch.nan, 1.0]]), torch.ones(2, 2))
    with pytest.raises(ValueError, match="a score is not finite"):
        best.of_scores(torch.tensor([[0.0, torch.inf, 1.0]]))


def test_what_is_held_at_once_does_not_grow_with_users_times_items(monkeypatch: pytest.MonkeyPatch) -> None:
    held = list[int]()

    def watched(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        held.append(scores.numel())
        return largest(scores, k)

    monkeypatch.setattr("rec_lightning.ranking.best.largest", watched)
    items = torch.arange(1, 100_001)
    queries, keys = torch.randn(300, 2), torch.randn(100_000, 2)
    found, _ = Best(items, 100_000, 5).of_vectors(queries, keys)
    assert found.shape == (300, 5)
    assert max(held) <= 1 << 21  # of 30 million scores
    assert sum(held) == 300 * 100_000

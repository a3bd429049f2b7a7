"""Users with several targets: against the formulas of Liang et al. on dense score matrices, and by a list's places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Batch, Ranking
from rec_lightning.metrics.user_ndcg import UserNDCG
from rec_lightning.metrics.user_recall import UserRecall
from rec_lightning.ranking.topk import TopK

USERS, ITEMS = 30, 80


def asked() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Scores (U, N + 1), which items are asked of whom and which were seen, both (U, N + 1)."""
    generator = np.random.default_rng(0)
    scores = torch.from_numpy(generator.normal(size=(USERS, ITEMS + 1)).astype(np.float32))
    part = generator.choice(3, size=(USERS, ITEMS + 1), p=[0.7, 0.15, 0.15])
    part[:, 0] = 0
    part[:, 1], part[:, 2] = 1, 2  # everybody has both
    return scores, part == 1, part == 2


def ranked() -> Ranking:
    """One row a target, as evaluation batches have them, in a mixed order."""
    scores, targets, seen = asked()
    user, target = np.nonzero(targets)
    order = np.random.default_rng(1).permutation(len(user))
    user, target = user[order], target[order]
    lists = [np.flatnonzero(seen[u]) for u in user]
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum([len(x) for x in lists])]))
    rows = [torch.from_numpy(x) for x in (user, target, np.concatenate(lists))]
    batch = Batch(rows[0], rows[1].unsqueeze(1), torch.ones(len(user)), rows[1], rows[2], offsets)
    return TopK(k=5).from_scores(batch, scores[rows[0]])


def test_equal_to_the_formulas_of_the_paper_on_whole_lists() -> None:
    scores, targets, seen = asked()
    values = np.where(seen, -np.inf, scores.numpy())
    values[:, 0] = -np.inf
    hits = np.take_along_axis(targets, np.argsort(-values, axis=1), axis=1)
    many = targets.sum(1)
    found = ranked()
    for k in (1, 5, 20, 50):
        recall, ndcg = UserRecall([k]), UserNDCG([k])
        for metric in (recall, ndcg):
            for rows in torch.arange(len(found.users)).split(13):
                metric.update(found.take(rows))
        expected = hits[:, :k].sum(1) / np.minimum(k, many)
        assert float(recall.compute()[f"user_recall@{k}"]) == pytest.approx(expected.mean(), abs=1e-12)
        gain = 1 / np.log2(np.arange(2, k + 2))
        ideal = np.array([gain[: min(n, k)].sum() for n in many])
        expected = (hits[:, :k] * gain).sum(1) / ideal
        assert float(ndcg.compute()[f"user_ndcg@{k}"]) == pytest.approx(expected.mean(), abs=1e-12)


def test_targets_that_tie_all_count_at_the_lowest_place() -> None:
    user = torch.zeros(3, dtype=torch.long)
    tied = Ranking(user, user, user, user, rank=torch.tensor([1, 3, 3]))
    recall, ndcg = UserRecall([3]), UserNDCG([3])
    for metric in (recall, ndcg):
        metric.update(tied)
    assert float(recall.compute()["user_recall@3"]) == 1
    ideal = 1 + 1 / np.log2(3) + 0.5
    assert float(ndcg.compute()["user_ndcg@3"]) == pytest.approx((1 + 0.5 + 0.5) / ideal, abs=1e-12)


def test_cuts_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^metrics.user_ndcg.top_k must be positive cut-offs, got \[0\]. Set top_k.$"):
        UserNDCG([0])

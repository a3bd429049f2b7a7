"""Values of users from exact ranks: by hand, as the metrics log them, and with several targets a user."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Ranking
from rec_lightning.metrics.user_ndcg import UserNDCG
from rec_lightning.metrics.user_recall import UserRecall
from rec_lightning.studies.intervals import bootstrap_mean
from rec_lightning.studies.ranked import Ranks, hit, ndcg
from rec_lightning.studies.significance import sign_flip


def alone(ranks: Any) -> Ranks:
    return Ranks(np.arange(len(ranks)), np.asarray(ranks))


def unequal(users: int = 300, seed: int = 0) -> Ranks:
    """Users with 1 to 40 targets; who has many is served worse. The seed draws ranks only."""
    sizes = np.random.default_rng(0).integers(1, 41, users)
    user, generator = np.repeat(np.arange(users), sizes), np.random.default_rng(seed)
    return Ranks(user, np.ceil(generator.random(len(user)) * (5 + 3 * sizes[user])).astype(np.int64))


def test_values_by_hand() -> None:
    ranks = np.array([1, 2, 3, 7, 10, 11, 1682])
    assert hit(ranks, 10).tolist() == [1, 1, 1, 1, 1, 0, 0]
    expected = [1, 0.6309297535714575, 0.5, 1 / 3, 0.2890648263178879, 0, 0]
    np.testing.assert_allclose(ndcg(ranks, 10), expected, rtol=1e-12)
    np.testing.assert_array_equal(alone(ranks).by_user("ndcg@10"), ndcg(ranks, 10))
    np.testing.assert_array_equal(alone(ranks).flips("ndcg@10"), ndcg(ranks, 10))
    for metric in ("user_recall@10", "user_ndcg@10"):  # one target each: the same
        np.testing.assert_allclose(alone(ranks).by_user(metric), alone(ranks).by_user({"user_recall@10": "hr@10"}.get(
            metric, "ndcg@10")))  # fmt: skip


@pytest.mark.parametrize("metric", ["mrr@10", "hr", "hr@0", "HR@10", "ndcg@-1", "user_hr@10"])
def test_unknown_metric(metric: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"with K at least 1, got {metric!r}")):
        alone([1]).by_user(metric)


@pytest.mark.parametrize(("metric", "part"), [("user_recall@5", UserRecall([5])), ("user_ndcg@20", UserNDCG([20]))])
def test_means_over_users_are_those_that_runs_log(metric: str, part: Any) -> None:
    found = unequal()
    user, rank = torch.from_numpy(found.user), torch.from_numpy(found.rank)
    part.update(Ranking(user, user.view(-1, 1), user.view(-1, 1).float(), user, rank))
    assert float(found.metric(metric)) == pytest.approx(float(part.compute()[metric]), abs=1e-12)
    np.testing.assert_array_equal(found.by_user(metric), found.flips(metric))


@pytest.mark.parametrize("metric", ["hr@10", "ndcg@20"])
def test_targets_of_a_user_belong_together(metric: str) -> None:
    found = unequal()
    values = {"hr@10": hit(found.rank, 10), "ndcg@20": ndcg(found.rank, 20)}[metric]
    by_user, shares = found.by_user(metric), found.flips(metric)
    for own in (by_user, shares):
        assert own.shape == (300,)
        assert own.mean() == pytest.approx(values.mean(), abs=1e-12)
    # the spread of the ratio itself over drawn users
    generator, drawn = np.random.default_rng(1), []
    sums, sizes = np.bincount(found.user, values), np.bincount(found.user)
    for _ in range(4000):
        rows = generator.integers(0, 300, 300)
        drawn.append(sums[rows].sum() / sizes[rows].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    ours = bootstrap_mean(by_user)
    np.testing.assert_allclose([ours.low, ours.high], [low, high], atol=0.08 * (high - low))
    # drawn one by one, targets would look surer than they are
    naive = bootstrap_mean(values)
    assert naive.high - naive.low < 0.9 * (ours.high - ours.low)


def test_users_who_change_places_keep_the_level_of_the_test() -> None:
    # two runs that are alike up to chance: one in ten is below .1
    low = 0
    for trial in range(200):
        one, other = unequal(60, 2 * trial), unequal(60, 2 * trial + 1)
        low += sign_flip(one.flips("hr@10") - other.flips("hr@10"), 500, trial) < 0.1
    assert 8 <= low <= 34

"""Fusions against their formulas in plain Python, ranks that count ties, and what stacking finds."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Ranking
from rec_lightning.ranking.fuse.borda import Borda
from rec_lightning.ranking.fuse.joined import Joined, fused, join
from rec_lightning.ranking.fuse.rrf import ReciprocalRank
from rec_lightning.ranking.fuse.stacking import Stacking
from rec_lightning.ranking.fuse.weighted import Weighted
from tests.members import member, members

USERS, ITEMS, DEPTH, K = 40, 30, 8, 5


def lists(seed: int, short: int = 0) -> Ranking:
    """One model's; of every fourth user only ``DEPTH - short`` items."""
    generator = np.random.default_rng(seed)
    items = np.stack([generator.permutation(ITEMS)[:DEPTH] + 1 for _ in range(USERS)])
    scores = -np.sort(-generator.normal(size=(USERS, DEPTH)), 1).astype(np.float32)
    if short:
        items[::4, -short:], scores[::4, -short:] = 0, -np.inf
    target = torch.from_numpy(np.random.default_rng(9).integers(1, ITEMS + 1, USERS))
    return ranked(torch.from_numpy(items), torch.from_numpy(scores), target)


def ranked(items: torch.Tensor, scores: torch.Tensor, target: torch.Tensor) -> Ranking:
    """The target's rank is its place in the list, and 100 where it has none."""
    there = items == target.unsqueeze(1)
    rank = torch.where(there.any(1), there.int().argmax(1) + 1, 100)
    return Ranking(torch.arange(len(items)), items, scores, target, rank)


MODELS = [lists(0), lists(1, short=3), lists(2)]


def told(user: int) -> list[dict[int, tuple[int, float]]]:
    """Item -> (place, score from 0 to 1) of each model."""
    found = []
    for model in MODELS:
        own = [(i, s) for i, s in zip(model.items[user].tolist(), model.scores[user].tolist(), strict=True) if i]
        low, high = own[-1][1], own[0][1]
        found.append({i: (n, (s - low) / (high - low)) for n, (i, s) in enumerate(own, 1)})
    return found


FORMULAS = {
    "rrf": lambda listed: sum(1 / (60 + place) for place, _ in listed),
    "borda": lambda listed: sum(DEPTH + 1 - place for place, _ in listed),
    "weighted": lambda listed: sum(score for _, score in listed),
}


@pytest.mark.parametrize("choice", FORMULAS)
def test_equals_its_formula(choice: str) -> None:
    joined = join(MODELS)
    found = fused(joined, member("fuse", choice, root="fuse")(joined), K)
    for user in range(USERS):
        models = told(user)
        union = sorted({item for model in models for item in model})
        value = {item: FORMULAS[choice]([model[item] for model in models if item in model]) for item in union}
        target, rank = int(found.target[user]), int(found.rank[user])
        if target in value:
            # as good ones count against it
            assert rank == 1 + sum(v >= value[target] - 1e-7 for i, v in value.items() if i != target)
        else:
            assert rank == 1 + len(union)
        items = found.items[user].tolist()
        assert [value[i] for i in items] == pytest.approx(sorted(value.values(), reverse=True)[:K], abs=1e-6)
        assert rank > K or items[rank - 1] == target
        assert rank <= K or target not in items


def test_weights_decide() -> None:
    joined = join(MODELS)
    alone = fused(joined, Weighted([0, 1, 0])(joined), K)
    for user in range(USERS):
        best = [i for i in MODELS[1].items[user].tolist() if i][: K - 1]  # the last of a list is worth as much as none
        assert alone.items[user, : len(best)].tolist() == best


def test_a_list_shorter_than_k_is_filled_and_a_target_outside_is_no_hit() -> None:
    one = torch.ones(1, dtype=torch.long)
    model = Ranking(one, torch.tensor([[4, 0, 0, 0]]), torch.tensor([[1.0, *[-torch.inf] * 3]]), 9 * one, one)
    joined = join([model, model])
    found = fused(joined, Borda()(joined), 3)
    assert found.items.tolist() == [[4, 0, 0]] or found.items.tolist() == [[4]]
    assert found.rank.tolist() == [4]


def test_a_target_whose_ties_cost_it_its_place_is_not_listed_there() -> None:
    # the first model scores all alike and names the lowest items; by its exact rank the target is the sixth
    one, none = torch.ones(1, dtype=torch.long), torch.zeros(1, 3)
    flat = Ranking(one, torch.tensor([[1, 2, 3]]), none, one, 6 * one)
    other = Ranking(one, torch.tensor([[8, 1, 9]]), torch.tensor([[3.0, 2.0, 1.0]]), one, 2 * one)
    joined = join([flat, other])
    at = joined.items[0].tolist().index(1)
    assert joined.place[:, 0, at].tolist() == [0, 2]
    assert joined.score[0, 0, at] == 0
    tied = Ranking(one, torch.tensor([[1, 2, 3]]), none, one, 3 * one)
    assert join([tied, other]).place[0, 0].tolist() == [3, 1, 2, 0, 0]  # behind those that score as high
    assert joined.target.item() == 1


def planted(noise: float) -> Joined:
    """Two models: the first lists the target first, the second anywhere."""
    generator = torch.Generator().manual_seed(0)
    users = 400
    target = torch.randint(1, 50, (users,), generator=generator)
    first = torch.stack([torch.randperm(60, generator=generator)[:10] + 50 for _ in range(users)])
    first[:, 0] = target
    second = torch.stack([torch.randperm(49, generator=generator)[:10] + 1 for _ in range(users)])
    scores = torch.linspace(1, 0, 10).expand(users, -1) + noise * torch.rand(users, 10, generator=generator) * 0
    return join([ranked(items, scores, target) for items in (first, second)])


def test_stacking_trusts_the_model_that_is_right_and_does_so_again() -> None:
    joined = planted(0.0)
    part = Stacking()
    part.fit(joined)
    found = fused(joined, part(joined), K)
    assert (found.rank == 1).double().mean() > 0.95
    plain = fused(joined, ReciprocalRank()(joined), K)
    assert (plain.rank == 1).double().mean() < 0.8
    again = Stacking()
    again.fit(joined)
    assert torch.equal(part.weights, again.weights)


def test_stacking_stands_at_the_minimum_of_its_loss() -> None:
    joined = join(MODELS)
    part = Stacking(penalty=0.01)
    part.fit(joined)

    def loss(weights: np.ndarray) -> float:
        total, count = 0.0, 0
        for user in range(USERS):
            models, target = told(user), int(joined.target[user])
            union = sorted({item for model in models for item in model})
            if target not in union:
                continue
            rows = {
                item: [m[item][1] if item in m else 0 for m in models]
                + [1 / m[item][0] if item in m else 0 for m in models]
                + [float(item in m) for m in models]
                for item in union
            }
            value = {item: float(np.dot(weights, row)) for item, row in rows.items()}
            total += math.log(sum(math.exp(v) for v in value.values())) - value[target]
            count += 1
        return total / count + 0.01 * float(np.square(weights).sum())

    own = part.weights.numpy()
    for column in range(len(own)):
        for step in (-0.05, 0.05):
            moved = own.copy()
            moved[column] += step
            assert loss(own) < loss(moved)


@pytest.mark.parametrize("choice", members("fuse"))
def test_neither_users_nor_their_order_change_a_value(choice: str) -> None:
    part: Any = member("fuse", choice, root="fuse")
    joined = join(MODELS)
    if part.learns:
        part.fit(joined)
    whole, rows = part(joined), torch.randperm(USERS)[:7]
    assert torch.allclose(part(joined.take(rows)), whole[rows], atol=1e-12)


def test_refused() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: ReciprocalRank(-1.0), "fuse.constant must be at least 0, got -1.0. Set fuse.constant."),
        (lambda: Weighted([0.0, 0.0]), "fuse.weights must be at least 0 and one above, got [0.0, 0.0]. Set"),
        (lambda: Weighted([1.0]).check(2), "fuse.weights must be one for each of the 2 runs, got [1.0]. Set"),
        (lambda: Stacking(0.0), "fuse.penalty must be above 0, got 0.0. Set fuse.penalty."),
        (
            lambda: Stacking().fit(join([lists(0)]).take(torch.tensor([], dtype=torch.long))),
            "no validation target is in any list, so nothing can be learnt. Raise depth.",
        ),
    ]
    for make, text in cases:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            make()

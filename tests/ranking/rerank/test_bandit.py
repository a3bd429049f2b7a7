"""The bandit's indexes by hand, and its draws by their frequencies."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Batch, Ranking
from rec_lightning.ranking.rerank.bandit import Bandit
from rec_lightning.ranking.reranked import rerank
from tests.ranking.rerank.greedy import candidates, greedy, shares, taste
from tests.ranking.rerank.small import CANDIDATES, ITEMS, USERS, K, known


def arms() -> dict[str, float]:
    """Each category's share of the events, one more of each item."""
    events, total = known().popularity + 1, dict[str, float]()
    for item in range(1, ITEMS + 1):
        for word, part in shares()[item].items():
            total[word] = total.get(word, 0.0) + part * float(events[item])
    return {word: part / float(events[1:].sum()) for word, part in total.items()}


@pytest.mark.parametrize(
    ("policy", "explore"), [("ucb", 2.0), ("ucb", 0.0), ("epsilon_greedy", 0.0), ("thompson", 0.0)]
)
def test_equals_its_definition_where_nothing_is_drawn(policy: Any, explore: float) -> None:
    own, batch = candidates()
    assert batch.seen_offsets is not None
    found = rerank(own, batch, None, Bandit(known(), "genres", policy, explore, 4.0, 0.7, CANDIDATES), K)
    share, base = shares(), arms()
    for row in range(USERS):
        past, count = taste(batch, row), int(batch.seen_offsets.diff()[row])

        def value(relevance: float, chosen: list[int], item: int, past: Any = past, count: int = count) -> float:
            total = 0.0
            for word, part in share[item].items():
                success = past.get(word, 0.0) * count + 4 * base[word]
                plays = count + 4 + sum(share[other].get(word, 0) for other in chosen)
                mean = success / plays
                total += part * (mean + explore * math.sqrt(mean * (1 - mean) / (plays + 1)))
            return 0.3 * relevance + 0.7 * total

        assert found.items[row].tolist() == greedy(own, row, K, value)


def many(users: int) -> tuple[Ranking, Batch]:
    """Users with the same candidates and the same past of one item."""
    row = torch.arange(users)
    items = torch.arange(1, ITEMS + 1).expand(users, -1)
    ranking = Ranking(row, items, torch.linspace(1, 0, ITEMS).expand(users, -1), 0 * row, row + 1)
    return ranking, Batch(row, torch.ones(users, 1, dtype=torch.long), torch.ones_like(row), 0 * row + 1)


def test_epsilon_greedy_takes_a_random_category_as_often_as_it_says_and_each_alike() -> None:
    own, batch = many(4000)
    part = Bandit(known(), "genres", "epsilon_greedy", 0.3, weight=0.0, candidates=ITEMS)
    first = rerank(own, batch, None, part, 1).items[:, 0].tolist()
    best = {w: next(i for i in range(1, ITEMS + 1) if w in shares()[i]) for w in arms()}
    expected = {item: 0.3 * list(best.values()).count(item) / len(best) for item in {*best.values(), 1}}
    expected[1] += 0.7
    for item, rate in expected.items():
        assert first.count(item) / 4000 == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 4000))
    assert set(first) == set(expected)


def test_thompson_draws_the_spread_of_each_arm() -> None:
    _, batch = many(4000)
    part = Bandit(known(), "genres", "thompson", 1.0, weight=1.0, candidates=ITEMS)
    kept = part.start(batch)
    one = torch.arange(len(part.categories)).view(1, -1, 1).expand(4000, -1, -1)
    drawn = part.worth(kept, one, torch.ones(one.shape), 0).double().numpy()  # (4000, G)
    mean = (kept[0] / (kept[0] + kept[1]))[0, :-1].double().numpy()
    spread = np.sqrt(mean * (1 - mean) / (float(kept[0][0, 0] + kept[1][0, 0]) + 1))
    assert np.abs(drawn.mean(0) - mean).max() < 4 * spread.max() / math.sqrt(4000)
    assert drawn.std(0) == pytest.approx(spread, rel=0.08)
    other = part.worth(kept, one, torch.ones(one.shape), 1).double().numpy()
    assert abs(np.corrcoef(drawn[:, 0], other[:, 0])[0, 1]) < 0.08  # drawn anew for each place
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.08


def test_another_seed_draws_otherwise() -> None:
    own, batch = many(50)
    lists = [rerank(own, batch, None, Bandit(known(), "genres", candidates=ITEMS, seed=s), K).items for s in (0, 0, 1)]
    assert torch.equal(lists[0], lists[1])
    assert not torch.equal(lists[0], lists[2])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"policy": "epsilon_greedy", "explore": 1.5}, "rerank.explore must be 0..1 for epsilon_greedy, got 1.5. Set"),
        ({"explore": -1.0}, "rerank.explore must be at least 0, got -1.0. Set rerank.explore."),
        ({"prior": 0.0}, "rerank.prior must be above 0, got 0.0. Set rerank.prior."),
    ],
    ids=["rate", "spreads", "prior"],
)
def test_refused(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        Bandit(known(), "genres", **options)

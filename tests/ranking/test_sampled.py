"""Draws against a hash in plain Python, ranks by hand, and the same draw whatever the batch."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.ranking.sampled import Sampled

USERS, ITEMS = 30, 60


def catalog(popularity: list[int]) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(len(popularity))}), np.array([0, *popularity]))


@pytest.fixture
def known() -> Catalog:
    return catalog(np.random.default_rng(1).integers(0, 9, ITEMS).tolist())


def evaluation(rows: slice = slice(None), seed: int = 0) -> Batch:
    generator = np.random.default_rng(seed)
    seen = [generator.permutation(ITEMS)[: generator.integers(0, 30)] + 1 for _ in range(USERS)][rows]
    target = torch.from_numpy(generator.integers(1, ITEMS + 1, USERS))[rows]
    user = torch.arange(100, 100 + USERS)[rows]
    offsets = torch.tensor([0, *map(len, seen)]).cumsum(0)
    flat = torch.from_numpy(np.concatenate(seen))
    return Batch(user, user.unsqueeze(1), torch.ones_like(user), target, flat, offsets)


def seen_by(batch: Batch, row: int) -> set[int]:
    assert batch.seen is not None
    assert batch.seen_offsets is not None
    return set(batch.seen[batch.seen_offsets[row] : batch.seen_offsets[row + 1]].tolist())


def split_mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def drawn(batch: Batch, row: int, weight: list[int], count: int, seed: int) -> list[int]:
    """By the definition, with Python's integers."""
    own = split_mix(split_mix(split_mix(seed) + int(batch.user[row])) + int(batch.target[row]))
    arrival = {}
    for item in range(1, ITEMS + 1):
        if weight[item] and item not in seen_by(batch, row) and item != int(batch.target[row]):
            uniform = ((split_mix(own + split_mix(item)) >> 11) + 0.5) * 2.0**-53
            arrival[item] = -math.log(uniform) / weight[item]
    return sorted(arrival, key=lambda item: arrival[item])[:count]


@pytest.mark.parametrize("by", ["uniform", "popular"])
@pytest.mark.parametrize("seed", [0, 7])
def test_draws_what_the_definition_says_and_never_what_the_user_has(by: Any, seed: int, known: Catalog) -> None:
    batch = evaluation()
    weight = known.popularity.tolist() if by == "popular" else [1] * (ITEMS + 1)
    found = Sampled(known, negatives=12, by=by, k=5, seed=seed).candidates(batch)
    for row in range(USERS):
        assert found[row].tolist() == [int(batch.target[row]), *drawn(batch, row, weight, 12, seed)]


@pytest.mark.parametrize("size", [1, 7, 30])
def test_neither_batches_nor_the_chunk_of_rows_change_a_rank(
    size: int, known: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(USERS, 8), torch.randn(ITEMS + 1, 8)
    sampled = Sampled(known, negatives=20, k=5)
    whole = sampled(evaluation(), queries, keys)
    monkeypatch.setattr("rec_lightning.ranking.sampled._PAIRS", 3 * (ITEMS + 1))
    slices = [slice(first, first + size) for first in range(0, USERS, size)]
    parts = [sampled(evaluation(rows), queries[rows], keys) for rows in slices]
    assert torch.equal(torch.cat([part.rank for part in parts]), whole.rank)
    assert torch.equal(torch.cat([part.items for part in parts]), whole.items)


def test_ranks_among_the_drawn_and_ties_count_against_the_target(known: Catalog) -> None:
    batch, sampled = evaluation(), Sampled(known, negatives=20, k=21)
    scores = torch.randint(0, 4, (USERS, ITEMS + 1), generator=torch.Generator().manual_seed(0)).float()
    found = sampled.from_scores(batch, scores)
    for row, (target, *others) in enumerate(sampled.candidates(batch).tolist()):
        assert found.rank[row] == 1 + sum(scores[row, o] >= scores[row, target] for o in others)
        assert sorted(found.items[row].tolist()) == sorted([target, *others])
        assert found.scores[row].tolist() == scores[row, found.items[row]].tolist()


def test_vectors_and_scores_rank_alike_and_equal_vectors_tie(known: Catalog) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randint(-2, 3, (USERS, 4), generator=generator).float()  # every product is exact
    keys = torch.randint(-2, 3, (ITEMS + 1, 4), generator=generator).float()
    sampled = Sampled(known, negatives=30)
    assert torch.equal(
        sampled(evaluation(), queries, keys).rank, sampled.from_scores(evaluation(), queries @ keys.T).rank
    )
    alike = torch.randn(1, 64, generator=generator).expand(ITEMS + 1, 64)
    assert sampled(evaluation(), torch.randn(USERS, 64), alike).rank.tolist() == [31] * USERS


def test_the_first_draw_follows_popularity() -> None:
    known, users = catalog([1, 2, 3, 4, 0, 5]), 40_000
    batch = Batch(torch.arange(users), *(torch.ones(users, 1, dtype=torch.long),) * 2, torch.full((users,), 6))
    for by, expected in (("popular", [0.1, 0.2, 0.3, 0.4, 0]), ("uniform", [0.2] * 5)):
        first = Sampled(known, negatives=1, by=by, k=1).candidates(batch)[:, 1]  # type: ignore[arg-type]
        share = torch.bincount(first, minlength=7)[1:6] / users
        assert share.tolist() == pytest.approx(expected, abs=4 * 0.5 / users**0.5)  # four standard errors


def test_a_user_with_few_items_left_gets_fewer() -> None:
    seen = torch.tensor([1, 2])
    batch = Batch(torch.tensor([0]), seen.view(1, 2), torch.tensor([2]), torch.tensor([4]), seen, torch.tensor([0, 2]))
    found = Sampled(catalog([1] * 5), negatives=4, k=4).from_scores(batch, torch.arange(6.0).view(1, 6))
    assert found.items.tolist() == [[5, 4, 3, 0]]
    assert found.scores.tolist() == [[5, 4, 3, -torch.inf]]
    assert found.rank.tolist() == [2]


def test_another_seed_draws_others(known: Catalog) -> None:
    found = [Sampled(known, negatives=10, k=1, seed=seed).candidates(evaluation()) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_name_says_what_was_done(known: Catalog) -> None:
    assert Sampled(known).prefix == "sampled_uniform100_"
    assert Sampled(known, negatives=50, by="popular").prefix == "sampled_popular50_"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"negatives": 0}, "ranking.negatives must be at least 1, got 0. Set ranking.negatives."),
        ({"k": 0}, "ranking.k must be 1..ranking.negatives + 1 (101), got 0. Set ranking.k."),
        ({"negatives": 9, "k": 11}, "ranking.k must be 1..ranking.negatives + 1 (10), got 11. Set ranking.k."),
    ],
)
def test_values_out_of_range(options: dict[str, int], text: str, known: Catalog) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Sampled(known, **options)  # type: ignore[arg-type]


def test_more_negatives_than_other_items(known: Catalog) -> None:
    Sampled(known, negatives=59).check(60)
    text = r"^ranking.negatives must be below the catalogue size \(60\), got 60. Set ranking.negatives.$"
    with pytest.raises(ValueError, match=text):
        Sampled(known, negatives=60).check(60)


def test_a_score_that_is_not_finite_is_refused(known: Catalog) -> None:
    scores = torch.zeros(USERS, ITEMS + 1)
    scores[3, int(evaluation().target[3])] = torch.nan
    with pytest.raises(ValueError, match=r"^a score is not finite \(they reach from nan to nan\)"):
        Sampled(known, negatives=5, k=5).from_scores(evaluation(), scores)

"""What holds for every re-ranker: lists of the candidates, whatever the batch; ranks are places in the new order."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from rec_lightning.contracts import Batch, Ranking
from rec_lightning.ranking.rerank.mmr import MMR
from rec_lightning.ranking.reranked import Reranked, reordered, rerank, settled
from rec_lightning.ranking.sampled import Sampled
from rec_lightning.ranking.topk import TopK
from tests.members import member, members
from tests.ranking.rerank.small import CANDIDATES, ITEMS, USERS, K, evaluation, known, vectors

CHOICES = [choice for choice in members("rerank") if choice != "none"]


# one that has no rule by default gets one
GIVEN = {"constraints": ["rerank.by=year", "rerank.most=2"]}


def made(choice: str, candidates: int = CANDIDATES) -> Any:
    part = member("rerank", choice, f"rerank.candidates={candidates}", *GIVEN.get(choice, []))
    return part(catalog=known())


@pytest.mark.parametrize("choice", CHOICES)
def test_lists_are_candidates_once_each_and_ranks_their_places(choice: str) -> None:
    queries, keys = vectors()
    candidates = TopK(k=CANDIDATES)(evaluation(), queries, keys)
    found = Reranked(TopK(k=K), made(choice))(evaluation(), queries, keys)
    assert found.items.shape == (USERS, K)
    for row, items in enumerate(found.items.tolist()):
        real = [item for item in items if item]
        assert items == real + [0] * (K - len(real))  # filling stands at the end
        assert len(set(real)) == len(real)
        score = dict(zip(candidates.items[row].tolist(), candidates.scores[row].tolist(), strict=True))
        assert found.scores[row].tolist() == [score[item] if item else -torch.inf for item in items]
        target, rank = int(found.target[row]), int(found.rank[row])
        assert rank == items.index(target) + 1 if target in items else rank > K


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("size", [1, 7])
def test_a_row_depends_on_no_other_row(choice: str, size: int) -> None:
    queries, keys = vectors()
    whole = Reranked(TopK(k=K), made(choice))(evaluation(), queries, keys)
    batch, part = evaluation(), made(choice)
    assert batch.seen is not None
    assert batch.seen_offsets is not None
    for first in range(0, USERS, size):
        rows = slice(first, first + size)
        ends = batch.seen_offsets[first : first + size + 1]
        own = Batch(batch.user[rows], batch.history[rows], batch.length[rows], batch.target[rows])
        own.seen, own.seen_offsets = batch.seen[ends[0] : ends[-1]], ends - ends[0]
        found = Reranked(TopK(k=K), part)(own, queries[rows], keys)
        assert torch.equal(found.items, whole.items[rows])
        assert torch.equal(found.rank, whole.rank[rows])


class Same:
    """Leaves the order."""

    candidates = CANDIDATES

    def __call__(self, candidates: Ranking, batch: Batch, vectors: torch.Tensor | None, k: int) -> torch.Tensor:
        order = torch.arange(k).expand(len(candidates.items), -1)
        return torch.where(candidates.items[:, :k] > 0, order, -1)


@pytest.mark.parametrize("ties", [False, True])
def test_what_leaves_the_order_leaves_every_rank_that_a_list_shows(ties: bool) -> None:
    queries, keys = vectors(ties)
    plain = TopK(k=K)(evaluation(), queries, keys)
    found = Reranked(TopK(k=K), Same())(evaluation(), queries, keys)
    assert torch.equal(found.scores, plain.scores)
    assert torch.equal(found.rank, plain.rank)
    for row, rank in enumerate(found.rank.tolist()):
        assert rank > K or found.items[row, rank - 1] == found.target[row]


def test_the_target_goes_behind_those_that_tie_and_out_where_they_fill_the_candidates() -> None:
    one = torch.ones(3, dtype=torch.long)
    items = torch.tensor([[4, 7, 9, 5]] * 3)
    scores = torch.tensor([[3.0, 2, 2, 1], [2, 2, 2, 2], [3, 2, 1, 0]])
    found = settled(Ranking(one, items, scores, 7 * one, torch.tensor([3, 6, 2])))
    assert found.items.tolist() == [[4, 9, 7, 5], [4, 9, 5, 0], [4, 7, 9, 5]]
    assert found.scores.tolist() == [[3, 2, 2, 1], [2, 2, 2, -torch.inf], [3, 2, 1, 0]]


@pytest.mark.parametrize(
    ("columns", "rank", "expected"),
    [
        ([0, 2, 1], 2, 3),  # its new place
        ([0, 2, 3], 2, 4),  # two came from behind it
        ([3, 2, 0], 5, 5),  # outside the candidates: nothing came from behind
        ([2, -1, -1], 2, 5),  # left out of a short list: behind all candidates
        ([1, 0, -1], 2, 1),
    ],
)
def test_the_rank_after(columns: list[int], rank: int, expected: int) -> None:
    target = 7 if rank < 5 else 99
    model = Ranking(
        torch.tensor([0]),
        torch.tensor([[4, 7, 9, 5]]),
        torch.tensor([[4.0, 3, 2, 1]]),
        torch.tensor([target]),
        torch.tensor([rank]),
    )
    found = reordered(model, torch.tensor([columns]))
    assert found.rank.tolist() == [expected]


def test_without_targets_the_rank_stays() -> None:
    none = torch.zeros(USERS, dtype=torch.long)
    queries, keys = vectors()
    batch = evaluation()
    found = TopK(k=CANDIDATES)(batch, queries, keys)
    blank = Ranking(found.users, found.items, found.scores, none, none + 1)
    again = rerank(blank, batch, keys, made("mmr"), K)
    assert again.rank.tolist() == [1] * USERS
    assert (again.items[:-1] > 0).all()


def test_more_users_than_fit_at_once_are_re_ranked_the_same() -> None:
    queries, keys = vectors()
    candidates, part, batch = TopK(k=CANDIDATES)(evaluation(), queries, keys), made("mmr"), evaluation()
    batch.seen = batch.seen_offsets = None
    several = Batch(*(torch.cat([x] * 5) for x in (batch.user, batch.history, batch.length, batch.target)))
    found = rerank(Ranking.cat([candidates] * 5), several, keys, part, K)
    assert torch.equal(found.items, torch.cat([rerank(candidates, batch, keys, part, K).items] * 5))


@pytest.mark.parametrize("choice", CHOICES)
def test_options_out_of_range(choice: str) -> None:
    with pytest.raises(ValueError, match=r"^rerank.candidates must be at least 1, got 0. Set rerank.candidates.$"):
        made(choice, 0)


def test_refused() -> None:
    part = MMR(known(), candidates=30)
    cases = [
        (
            lambda: Reranked(Sampled(known(), k=5), part),
            "rerank=MMR needs the best of the whole catalogue, and ranking=Sampled ranks drawn items. Set ranking=topk",
        ),
        (
            lambda: Reranked(TopK(k=31), part),
            "rerank.candidates must be at least ranking.k (31), got 30. Set rerank.candidates.",
        ),
        (
            lambda: Reranked(TopK(k=5), part).check(29),
            "rerank.candidates must be ranking.k (5)..catalogue size (29), got 30. Set rerank.candidates.",
        ),
        (
            lambda: Reranked(TopK(k=5), part, by_scores=True),
            "rerank=MMR compares items by the model's vectors, and this model has scores only. Set rerank.by to a",
        ),
        (
            lambda: Reranked(TopK(k=5), part).from_scores(evaluation(), torch.randn(USERS, ITEMS + 1)),
            "rerank.by=model needs a model with item vectors, and this one has scores only. Set rerank.by to a column",
        ),
        (
            lambda: MMR(known(), by="brand"),
            "rerank.by must be a column of the item table (genres, year, price), got 'brand'. Set rerank.by.",
        ),
        (lambda: MMR(known(), weight=1.5), "rerank.weight must be 0..1 (0 leaves the order), got 1.5. Set"),
    ]
    for make, text in cases:
        with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
            make()
    Reranked(TopK(k=5), part).check(30)

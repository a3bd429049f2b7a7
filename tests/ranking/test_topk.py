"""Ranks and lists against a sort in plain Python, whatever the chunk, the ties and the seen items."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Ranking
from rec_lightning.ranking.topk import TopK, largest


def evaluation(target: list[int], seen: list[list[int]]) -> Batch:
    offsets = torch.tensor([0, *(len(s) for s in seen)]).cumsum(0)
    flat = torch.tensor([item for s in seen for item in s], dtype=torch.long)
    rows = torch.arange(len(target))
    return Batch(rows, rows.unsqueeze(1), rows + 1, torch.tensor(target), flat, offsets)


def reference(scores: Tensor, batch: Batch, k: int, exclude: bool) -> tuple[list[int], list[list[float]]]:
    """Ranks, and the scores of the k best candidates, by sorting lists."""
    assert batch.seen is not None
    assert batch.seen_offsets is not None
    ranks, tops = [], []
    for u, target in enumerate(batch.target.tolist()):
        seen = set(batch.seen[batch.seen_offsets[u] : batch.seen_offsets[u + 1]].tolist()) if exclude else set()
        row = {i: s for i, s in enumerate(scores[u].tolist()) if i > 0 and (i not in seen or i == target)}
        ranks.append(1 + sum(s >= row[target] for i, s in row.items() if i != target))
        best = sorted(row.values(), reverse=True)[:k]
        tops.append(best + [-torch.inf] * (k - len(best)))
    return ranks, tops


@pytest.mark.parametrize("exclude", [True, False])
@pytest.mark.parametrize("chunk", [1, 7, 40, 41, 1000])
def test_equals_a_sort_with_ties_for_any_chunk(chunk: int, exclude: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    # small integers: every product is exact and ties are many
    queries = torch.randint(-2, 3, (25, 4), generator=generator).float()
    keys = torch.randint(-2, 3, (41, 4), generator=generator).float()
    seen = [torch.randint(1, 41, (int(n),), generator=generator).tolist() for n in torch.arange(25)]
    target = torch.randint(1, 41, (25,), generator=generator).tolist()
    batch = evaluation(target, seen)
    found = TopK(k=10, exclude_seen=exclude, chunk=chunk)(batch, queries, keys)
    ranks, tops = reference(queries @ keys.T, batch, 10, exclude)
    assert found.rank.tolist() == ranks
    assert found.scores.tolist() == tops
    bare = TopK(k=10, exclude_seen=exclude, chunk=chunk).without_lists()(batch, queries, keys)
    assert bare.rank.tolist() == ranks
    assert (bare.items.shape, bare.items.dtype, bare.scores.shape) == ((25, 0), torch.int64, (25, 0))
    for u, items in enumerate(found.items.tolist()):
        real = [i for i in items if i > 0]
        assert len(set(real)) == len(real)
        assert (queries[u] @ keys[real].T).tolist() == [s for s in found.scores[u].tolist() if s > -torch.inf]
        assert not exclude or not (set(real) - {target[u]}) & set(seen[u])


@pytest.mark.parametrize("chunk", [30, 1000])
@pytest.mark.parametrize("users", [1, 5, 64])
def test_an_item_with_the_vector_of_the_target_ties_against_it(users: int, chunk: int) -> None:
    torch.manual_seed(0)
    queries, half = torch.randn(users, 64), torch.randn(10, 64)
    keys = torch.cat([torch.zeros(1, 64), half, half])  # item i + 10 is item i again
    target = torch.arange(users) % 10 + 1
    found = TopK(k=3, chunk=chunk)(evaluation(target.tolist(), [[]] * users), queries, keys)
    scores = (queries.double() @ half.double().T).round(decimals=4)
    above = (scores > scores.gather(1, target.unsqueeze(1) - 1)).sum(1)
    assert found.rank.tolist() == (2 * above + 2).tolist()  # each better item twice, and the twin


def test_from_scores_leaves_the_scores_alone_and_takes_a_view_that_repeats_a_row() -> None:
    row = torch.tensor([9.0, 3.0, 2.0, 1.0])
    scores = row.expand(2, -1)
    found = TopK(k=2).from_scores(evaluation([3, 2], [[1], [3]]), scores)
    assert row.tolist() == [9, 3, 2, 1]
    assert found.rank.tolist() == [2, 2]
    assert found.items.tolist() == [[2, 3], [1, 2]]


def test_a_seen_target_is_a_candidate_and_a_short_list_is_filled() -> None:
    found = TopK(k=3).from_scores(evaluation([2], [[1, 2, 3, 2]]), torch.tensor([[0.0, 5, 4, 3]]))
    assert found.rank.tolist() == [1]
    assert found.items.tolist() == [[2, 0, 0]]
    assert found.scores.tolist() == [[4, -torch.inf, -torch.inf]]


def test_seen_may_be_absent() -> None:
    batch = Batch(torch.tensor([0]), torch.tensor([[1]]), torch.tensor([1]), torch.tensor([2]))
    assert TopK(k=1).from_scores(batch, torch.tensor([[0.0, 5, 4]])).rank.tolist() == [2]


@pytest.mark.parametrize(
    ("bad", "reach"), [(torch.nan, "nan to nan"), (torch.inf, "0 to inf"), (-torch.inf, "-inf to 5")]
)
def test_a_score_that_is_not_finite_is_refused(bad: float, reach: str) -> None:
    message = re.escape(
        f"a score is not finite (they reach from {reach}): the model diverged. "
        "Lower optimizer.lr or set trainer.gradient_clip_val."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        TopK(k=1).from_scores(evaluation([1], [[]]), torch.tensor([[0.0, 5, bad]]))


def test_autocast_does_not_coarsen_the_scores() -> None:
    torch.manual_seed(0)
    queries, keys, batch = torch.randn(8, 16), torch.randn(50, 16), evaluation([1] * 8, [[]] * 8)
    plain = TopK(k=5)(batch, queries, keys)
    with torch.autocast("cpu", torch.bfloat16):
        under = TopK(k=5)(batch, queries, keys)
    assert torch.equal(plain.scores, under.scores)
    assert torch.equal(plain.rank, under.rank)


@pytest.mark.parametrize("name", ["k", "chunk"])
def test_values_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"^ranking.{name} must be at least 1, got 0. Set ranking.{name}.$"):
        TopK(**{name: 0})


def test_k_beyond_the_catalogue() -> None:
    TopK(k=5).check(5)
    with pytest.raises(ValueError, match=r"^ranking.k must be 1..catalogue size \(4\), got 5. Set ranking.k.$"):
        TopK(k=5).check(4)


def test_joined_rankings_equal_one(batch: Callable[..., Batch]) -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(6, 4), torch.randn(9, 4)
    whole = evaluation([1, 2, 3, 4, 5, 6], [[7], [8], [], [1], [2, 3], []])
    parts = [
        TopK(k=4)(evaluation([1, 2], [[7], [8]]), queries[:2], keys),
        TopK(k=4)(evaluation([3, 4, 5, 6], [[], [1], [2, 3], []]), queries[2:], keys),
    ]
    joined, one = Ranking.cat(parts), TopK(k=4)(whole, queries, keys)
    assert torch.equal(joined.rank, one.rank)
    assert torch.equal(joined.items, one.items)


@pytest.mark.parametrize("width", [1, 20, 333, 1000, 4097])
@pytest.mark.parametrize("k", [1, 7, 20])
def test_the_largest_are_those_of_a_sort(width: int, k: int) -> None:
    torch.manual_seed(width + k)
    k = min(k, width)
    scores = torch.randint(0, 3 * width, (9, width)).float()  # with ties
    scores[torch.rand(9, width) < 0.3] = -torch.inf
    scores[0] = -torch.inf
    top, column = largest(scores, k)
    assert torch.equal(top, scores.sort(1, descending=True).values[:, :k])
    assert torch.equal(scores.gather(1, column), top)
    assert all(len(set(row)) == k for row in column.tolist())


def test_users_ranked_a_few_at_a_time_are_ranked_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    seen = [torch.randperm(30)[:n].add(1).tolist() for n in (0, 4, 9, 1, 30, 2, 0)]
    batch, queries, keys = evaluation(torch.randint(1, 31, (7,)).tolist(), seen), torch.randn(7, 4), torch.randn(31, 4)
    whole = TopK(k=5)(batch, queries, keys)
    monkeypatch.setattr("rec_lightning.ranking.topk._cached_rows", lambda columns, device: 2)
    parts = TopK(k=5)(batch, queries, keys)
    for field in ("users", "items", "target", "rank"):
        assert torch.equal(getattr(parts, field), getattr(whole, field))


def test_a_chunk_too_long_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ranking.chunk must be at most 16777216, got 16777217. Set ranking.chunk.$"):
        TopK(chunk=(1 << 24) + 1)

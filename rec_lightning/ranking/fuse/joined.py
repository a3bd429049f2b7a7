"""Lists of several models for the same targets, joined: who lists which item, where, and how relevant they find it.

Relations: the members of this room give each item one value; ``fused`` makes a ranking of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rec_lightning.contracts import Ranking
from rec_lightning.ranking.rerank.likeness import relevance
from rec_lightning.ranking.reranked import settled

# R models, U targets, C items that any of the models lists for a target, k places


@dataclass(frozen=True)
class Joined:
    """All lists of each target.

    Args:
        users: (U,) as in the rankings.
        target: (U,) as in the rankings.
        items: (U, C) int64 listed by any model, in the catalogue's order; 0 where there are fewer.
        place: (R, U, C) int64 in each model's list, 1 is first; 0 where it is not listed.
        score: (R, U, C) float32 from 0, the last of a model's list, to 1; 0 where it is not listed.
        depth: length of the longest list.
    """

    users: Tensor
    target: Tensor
    items: Tensor
    place: Tensor
    score: Tensor
    depth: int

    @property
    def models(self) -> int:
        """R."""
        return len(self.place)

    def take(self, rows: Tensor) -> Joined:
        """Some of the targets."""
        parts = (self.users[rows], self.target[rows], self.items[rows], self.place[:, rows], self.score[:, rows])
        return Joined(*parts, self.depth)


def join(rankings: Sequence[Ranking]) -> Joined:
    """Joins lists of the same targets in the same order.

    Ties count against the target here too: it stands in each list where its rank says, behind all that score as high,
    or in none of its places.

    Args:
        rankings: of each model, (U, depth).

    Example:
        >>> one = torch.ones(1, dtype=torch.long)
        >>> a = Ranking(one, torch.tensor([[7, 4]]), torch.tensor([[2.0, 1.0]]), one, one)
        >>> b = Ranking(one, torch.tensor([[9, 7]]), torch.tensor([[5.0, 3.0]]), one, one)
        >>> found = join([a, b])
        >>> found.items.tolist(), found.place.tolist()
        ([[4, 7, 9]], [[[2, 1, 0]], [[0, 2, 1]]])
    """
    rankings = [settled(ranking) for ranking in rankings]
    first = rankings[0]
    bound = max(int(ranking.items.max()) for ranking in rankings) + 1
    row = torch.arange(len(first.users)).unsqueeze(1)
    keys = [(row * bound + ranking.items)[ranking.items > 0] for ranking in rankings]
    union = torch.unique(torch.cat(keys))  # sorted: by target, then by item
    owner = union // bound
    column = torch.arange(len(union)) - torch.searchsorted(owner, owner)
    shape = len(first.users), max(1, int(column.max()) + 1 if len(union) else 1)
    items = torch.zeros(shape, dtype=torch.long)
    items[owner, column] = union % bound
    place = torch.zeros(len(rankings), *shape, dtype=torch.long)
    score = torch.zeros(len(rankings), *shape)
    for number, (ranking, key) in enumerate(zip(rankings, keys, strict=True)):
        listed = ranking.items > 0
        at = torch.searchsorted(union, key)
        order = torch.arange(1, ranking.items.shape[1] + 1).expand_as(ranking.items)
        place[number, owner[at], column[at]] = order[listed]
        score[number, owner[at], column[at]] = relevance(ranking)[listed]
    depth = max(ranking.items.shape[1] for ranking in rankings)
    return Joined(first.users, first.target, items, place, score, depth)


def fused(joined: Joined, values: Tensor, k: int) -> Ranking:
    """The ranking by one value an item.

    The rank counts the other items of all lists that are worth at least as much, so that a tie counts against the
    target; one that nobody lists stands behind all of them, and never within the first k.

    Args:
        joined: the lists.
        values: (U, C) more is better.
        k: places kept.
    """
    values = values.masked_fill(joined.items == 0, -torch.inf)
    top, order = values.sort(dim=1, descending=True, stable=True)
    items = joined.items.gather(1, order)
    inside = (joined.items == joined.target.unsqueeze(1)) & (joined.items > 0)
    aim = values.masked_fill(~inside, -torch.inf).amax(1, keepdim=True)
    rank = ((values >= aim) & (joined.items > 0)).sum(1)
    outside = (joined.items > 0).sum(1).clamp(min=k) + 1
    rank = torch.where(inside.any(1), rank, outside)
    whole = settled(Ranking(joined.users, items, top.float(), joined.target, rank))
    return replace(whole, items=whole.items[:, :k], scores=whole.scores[:, :k])

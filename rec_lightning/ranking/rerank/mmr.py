"""MMR: each place takes the item that is relevant and unlike the items above it.

Paper: J. Carbonell and J. Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
Summaries", SIGIR 1998, https://doi.org/10.1145/290941.291025. What differs: relevance is the model's score, brought to
0..1 over each user's candidates, so that one weight means the same for every user and model.

Relations: ``dpp`` looks at all items above together, MMR at the nearest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.rerank.likeness import Likeness, check_candidates, check_weight, relevance

# B batch, N items, D width, C candidates


class MMR:
    """Greedily takes the largest of (1 - weight) relevance - weight (largest cosine to an item above).

    Args:
        catalog: gives the column.
        weight: of diversity, 0..1; 0 leaves the order, 1 forgets relevance.
        by: what makes items alike: ``model``, its vectors, or a column of the item table.
        candidates: of each user.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def __init__(self, catalog: Catalog, weight: float = 0.3, by: str = "model", candidates: int = 100) -> None:
        self.weight, self.candidates = check_weight(weight), check_candidates(candidates)
        self.likeness = Likeness(catalog, by)
        self.needs_vectors = self.likeness.needs_vectors

    def __call__(self, candidates: Ranking, batch: Batch, vectors: Tensor | None, k: int) -> Tensor:
        """(B, C) candidates, (N + 1, D) vectors -> (B, k) columns, -1 for none."""
        unit = self.likeness(candidates.items, vectors)
        alike = torch.baddbmm(unit.new_zeros(1, 1, 1), unit, unit.transpose(1, 2), beta=0, alpha=self.weight)
        value = relevance(candidates).mul_(1 - self.weight).masked_fill_(candidates.items == 0, -torch.inf)
        row = torch.arange(len(value), device=value.device)
        nearest, columns = alike.new_full(value.shape, -torch.inf), []
        for place in range(k):
            best, column = (value - nearest if place else value).max(1)
            columns.append(torch.where(best > -torch.inf, column, -1))
            value[row, column] = -torch.inf
            torch.maximum(nearest, alike[row, column], out=nearest)
        return torch.stack(columns, 1)

"""DPP: lists whose items are relevant and span a large volume, by greedy maximisation of a determinant.

Paper: L. Chen, G. Zhang and H. Zhou, "Fast Greedy MAP Inference for Determinantal Point Process to Improve
Recommendation Diversity", NeurIPS 2018, https://arxiv.org/abs/1709.05135: a Cholesky factor grows by one row a
place, which costs O(places x candidates) in place of a determinant for each candidate. What differs: the objective is
(1 - weight) sum of relevance + weight log det S, which is theirs (equation 9) with relevance brought to 0..1; S is the
cosine matrix with its other entries times .99, so that items with the same vector may both be shown.

Relations: ``mmr`` looks at the nearest item above only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.rerank.likeness import Likeness, check_candidates, check_weight, relevance

# B batch, N items, D width, C candidates

_OFF = 0.99  # of the cosines of different items


class DPP:
    """Greedily takes the largest of (1 - weight) relevance + weight (gain in log volume).

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
        fixed = relevance(candidates).mul_(1 - self.weight).masked_fill_(candidates.items == 0, -torch.inf)
        row = torch.arange(len(fixed), device=fixed.device)
        left = torch.ones_like(fixed)  # (B, C) squared distance to the span of the items above
        factor, columns = fixed.new_empty(len(fixed), k, fixed.shape[1]), []
        for place in range(k):
            best, column = (fixed + self.weight * left.log()).max(1)
            columns.append(torch.where(best > -torch.inf, column, -1))
            fixed[row, column] = -torch.inf
            above = factor[:, :place]
            step = torch.bmm(unit, unit[row, column].unsqueeze(2)).squeeze(2).mul_(_OFF)
            step -= torch.bmm(above[row, :, column].unsqueeze(1), above).squeeze(1)
            factor[:, place] = step.div_(left[row, column].sqrt().unsqueeze(1))
            # rounding apart, no cosine below 1 brings it under 1 - _OFF
            left = (left - step.square()).clamp_(min=1e-6)
        return torch.stack(columns, 1)

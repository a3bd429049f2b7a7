"""Intra-list diversity by vectors: one minus the mean cosine of the pairs in a list.

Paper: B. Smyth and P. McClave, "Similarity vs. Diversity", ICCBR 2001, https://doi.org/10.1007/3-540-44593-5_25; what
differs: the cosine of vectors from a file, so that every model is judged by the same ones and none by its own. A list
with fewer than two items does not count; a vector of zeros is at right angles to all.

The mean over pairs follows from the sum of the unit vectors, so no pair is looked at: |sum|^2 = items + 2 (sum of
cosines). The sum over lists is kept in steps of 2^-40, the same for any order, batch size and number of processes.

Relations: ``diversity`` is the same by categories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_exposure import check_kept
from rec_lightning.metrics.by_rank import check_cuts

# B rows, k items of a list, N items, H width of the vectors

_STEPS = 2.0**40


class VectorDiversity(Metric):
    """Intra-list diversity at all k at once.

    Args:
        catalog: the items.
        top_k: cut-offs of at least 2; smaller ones are passed over.
        vectors: the catalogue -> (N, H).

    Raises:
        ValueError: no cut-off of at least 2.
    """

    full_state_update = False
    spread: Tensor
    lists: Tensor
    unit: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], vectors: Callable[[Catalog], Tensor]) -> None:
        super().__init__()
        self.top_k = tuple(k for k in check_cuts("vector_diversity", top_k) if k > 1)
        if not self.top_k:
            raise ValueError(
                f"metrics.vector_diversity.top_k must hold a cut-off of at least 2, got {list(top_k)}. Set top_k."
            )
        for name in ("spread", "lists"):
            self.add_state(name, torch.zeros(len(self.top_k), dtype=torch.long), dist_reduce_fx="sum")
        unit = nn.functional.normalize(vectors(catalog).double(), dim=1)
        self.unit = nn.Buffer(torch.cat([unit.new_zeros(1, unit.shape[1]), unit]), persistent=False)  # (N + 1, H)

    def update(self, ranking: Ranking) -> None:
        """Adds rows; their items (U, k) are read.

        Raises:
            ValueError: a cut-off is above the length of the lists.
        """
        check_kept("vector_diversity", self.top_k, ranking)
        items = ranking.items[:, : max(self.top_k)]
        cuts = torch.tensor(self.top_k, device=items.device).clamp(max=items.shape[1]) - 1
        unit = self.unit[items]  # (B, k, H)
        length = unit.square().sum(2).cumsum(1)[:, cuts]
        count = (items > 0).cumsum(1)[:, cuts]
        pairs = count * (count - 1)
        alike = (unit.cumsum(1)[:, cuts].square().sum(2) - length) / pairs.clamp(min=1)
        some = pairs > 0
        self.spread += ((1 - alike) * some * _STEPS).round().long().sum(0)
        self.lists += some.sum(0)

    def compute(self) -> dict[str, Tensor]:
        """``vector_diversity@k`` for each k; NaN without lists."""
        value = self.spread.double() / _STEPS / self.lists
        return {f"vector_diversity@{k}": v for k, v in zip(self.top_k, value, strict=True)}

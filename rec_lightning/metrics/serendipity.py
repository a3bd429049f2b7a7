"""Serendipity: hits that the list of the most popular items would not have made.

Paper: M. Ge, C. Delgado-Battenfeld and D. Jannach, "Beyond Accuracy: Evaluating Recommender Systems by Coverage and
Serendipity", RecSys 2010, https://doi.org/10.1145/1864708.1864761, with popularity as the primitive recommender. What
differs: the sum is divided by the rows, not by k; popularity's list leaves nothing out, seen or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_rank import check_cuts


class Serendipity(Metric):
    """The share of rows with an unexpected hit, at all k at once.

    Args:
        catalog: gives the popularity in training; equal items in the catalogue's order.
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    full_state_update = False
    reads_lists = False
    hits: Tensor
    targets: Tensor
    place: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int]) -> None:
        super().__init__()
        self.top_k = check_cuts("serendipity", top_k)
        self.add_state("hits", torch.zeros(len(self.top_k), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("targets", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        order = (-torch.from_numpy(catalog.popularity[1:].copy())).argsort(stable=True)
        place = torch.zeros(catalog.size + 1, dtype=torch.long, device="cpu")
        place[order + 1] = torch.arange(1, catalog.size + 1, device="cpu")
        self.place = nn.Buffer(place, persistent=False)  # (N + 1,) of each item by popularity, 1 is first

    def update(self, ranking: Ranking) -> None:
        """Adds rows; rank and target (U,) are read."""
        cuts = torch.tensor(self.top_k, device=ranking.rank.device)
        unexpected = self.place[ranking.target].unsqueeze(1) > cuts
        self.hits += ((ranking.rank.unsqueeze(1) <= cuts) & unexpected).sum(0)
        self.targets += len(ranking.rank)

    def compute(self) -> dict[str, Tensor]:
        """``serendipity@k`` for each k; NaN without rows."""
        return {f"serendipity@{k}": h / self.targets for k, h in zip(self.top_k, self.hits.double(), strict=True)}

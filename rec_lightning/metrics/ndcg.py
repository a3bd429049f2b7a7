"""NDCG with one relevant item a user: 1 / log2(1 + rank) if the target is among the first k, else 0.

Paper: K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002. With
one relevant item the ideal gain is 1, so no division by the gain of k hits (some libraries divide by it).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking


class NDCG(Metric):
    """NDCG at all k at once.

    The state counts how many users have each rank, so the value is the same to the last bit for any batch size and
    any number of processes.

    Args:
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.

    Example:
        >>> metric = NDCG(top_k=[10])
        >>> rank = torch.tensor([1, 3, 40])
        >>> metric.update(Ranking(rank, rank, rank, rank, rank))
        >>> {k: round(float(v), 4) for k, v in metric.compute().items()}
        {'ndcg@10': 0.5}
    """

    full_state_update = False
    reads_lists = False
    users_at: Tensor

    def __init__(self, top_k: Sequence[int]) -> None:
        super().__init__()
        if not top_k or min(top_k) < 1:
            raise ValueError(f"metrics.ndcg.top_k must be positive cut-offs, got {list(top_k)}. Set top_k.")
        self.top_k = tuple(top_k)
        # users with rank 1, 2, ... max k, and all that rank below
        self.add_state("users_at", torch.zeros(max(top_k) + 1, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ranking: Ranking) -> None:
        """Adds users; their exact rank (U,) is read."""
        bins = len(self.users_at)
        self.users_at += torch.bincount(ranking.rank.clamp(max=bins) - 1, minlength=bins)

    def compute(self) -> dict[str, Tensor]:
        """``ndcg@k`` for each k; NaN without users."""
        users = self.users_at.double()
        gain = users / torch.log2(torch.arange(2, len(users) + 2, device=users.device, dtype=torch.double))
        return {f"ndcg@{k}": gain[:k].sum() / users.sum() for k in self.top_k}

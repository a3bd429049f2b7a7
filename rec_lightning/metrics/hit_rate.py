"""Hit rate: the share of users whose target is among the first k. With one target a user it equals recall."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking


class HitRate(Metric):
    """HR at all k at once.

    Counts are integers, so the value is the same to the last bit for any batch size and any number of processes.

    Args:
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.

    Example:
        >>> metric = HitRate(top_k=[1, 10])
        >>> rank = torch.tensor([1, 7, 40])
        >>> metric.update(Ranking(rank, rank, rank, rank, rank))
        >>> {k: round(float(v), 4) for k, v in metric.compute().items()}
        {'hr@1': 0.3333, 'hr@10': 0.6667}
    """

    full_state_update = False
    reads_lists = False
    hits: Tensor
    users: Tensor

    def __init__(self, top_k: Sequence[int]) -> None:
        super().__init__()
        if not top_k or min(top_k) < 1:
            raise ValueError(f"metrics.hit_rate.top_k must be positive cut-offs, got {list(top_k)}. Set top_k.")
        self.top_k = tuple(top_k)
        self.add_state("hits", torch.zeros(len(self.top_k), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("users", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ranking: Ranking) -> None:
        """Adds users; their exact rank (U,) is read."""
        cuts = torch.tensor(self.top_k, device=ranking.rank.device)
        self.hits += (ranking.rank.unsqueeze(1) <= cuts).sum(0)
        self.users += len(ranking.rank)

    def compute(self) -> dict[str, Tensor]:
        """``hr@k`` for each k; NaN without users."""
        shares = self.hits.double() / self.users
        return {f"hr@{k}": share for k, share in zip(self.top_k, shares, strict=True)}

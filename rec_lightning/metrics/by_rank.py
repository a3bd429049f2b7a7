"""What all metrics of the target's exact rank share: how many targets have each rank, counted once for all cut-offs.

One row of a ranking is one target. A user with several targets has several rows, each ranked with the others left
where the model puts them, and every mean is over rows: a user counts as often as there are targets.

Relations: read by ``recall, precision, f1, mrr, average_precision``; ``hit_rate`` and ``ndcg`` count by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking


def check_cuts(name: str, top_k: Sequence[int]) -> tuple[int, ...]:
    """The cut-offs.

    Raises:
        ValueError: none, or one below 1.
    """
    if not top_k or min(top_k) < 1:
        raise ValueError(f"metrics.{name}.top_k must be positive cut-offs, got {list(top_k)}. Set top_k.")
    return tuple(top_k)


class ByRank(Metric):
    """The mean over targets of ``gain``, at all k at once; counts are integers, so the value is exact.

    Args:
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    full_state_update = False
    reads_lists = False
    name = ""  # of the option
    key = ""  # of the result
    targets_at: Tensor

    def __init__(self, top_k: Sequence[int]) -> None:
        super().__init__()
        self.top_k = check_cuts(self.name, top_k)
        # targets with rank 1, 2, ... max k, and all that rank below
        self.add_state("targets_at", torch.zeros(max(top_k) + 1, dtype=torch.long), dist_reduce_fx="sum")

    def gain(self, rank: Tensor, k: int) -> Tensor:
        """(k,) double ranks 1..k -> (k,) what a target at that rank is worth."""
        raise NotImplementedError

    def update(self, ranking: Ranking) -> None:
        """Adds targets; their exact rank (U,) is read."""
        bins = len(self.targets_at)
        self.targets_at += torch.bincount(ranking.rank.clamp(max=bins) - 1, minlength=bins)

    def compute(self) -> dict[str, Tensor]:
        """``key@k`` for each k; NaN without targets."""
        targets = self.targets_at.double()
        rank = torch.arange(1, len(targets) + 1, device=targets.device, dtype=torch.double)
        return {f"{self.key}@{k}": (targets[:k] * self.gain(rank[:k], k)).sum() / targets.sum() for k in self.top_k}

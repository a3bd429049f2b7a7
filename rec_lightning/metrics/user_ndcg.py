"""NDCG of users with several targets: the gain of the hits over that of a list which begins with all targets.

As in D. Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
https://arxiv.org/abs/1802.05814: relevance is 0 or 1, the ideal list holds min(k, number of targets) hits.

Relations: ``ndcg`` counts each target as a user of its own, whose ideal gain is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.metrics.by_user import ByUser


class UserNDCG(ByUser):
    """``user_ndcg@k``, the mean over users.

    Example:
        >>> from rec_lightning.contracts import Ranking
        >>> metric, user = UserNDCG(top_k=[3]), torch.tensor([0, 0])
        >>> metric.update(Ranking(user, user, user, user, rank=torch.tensor([1, 3])))
        >>> round(float(metric.compute()["user_ndcg@3"]), 4)  # (1 + 1/2) / (1 + 1/log2(3))
        0.9197
    """

    name = "user_ndcg"

    def of_users(self, hits: Tensor, targets: Tensor, k: int) -> Tensor:
        """(U, k), (U,) -> (U,)."""
        gain = 1 / torch.log2(torch.arange(2, k + 2, device=hits.device, dtype=torch.double))
        return (hits * gain).sum(1) / gain.cumsum(0)[targets.clamp(max=k) - 1]

"""Recall of users with several targets: hits in the top k over the targets a list of k can hold.

As in D. Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
https://arxiv.org/abs/1802.05814: divided by min(k, number of targets), so that a perfect list has 1.

Relations: ``recall`` counts each target as a user of its own.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_user import ByUser


class UserRecall(ByUser):
    """``user_recall@k``, the mean over users.

    Example:
        >>> import torch
        >>> from rec_lightning.contracts import Ranking
        >>> metric, user = UserRecall(top_k=[2]), torch.tensor([0, 0, 0, 1])
        >>> metric.update(Ranking(user, user, user, user, rank=torch.tensor([1, 2, 9, 3])))
        >>> float(metric.compute()["user_recall@2"])
        0.5
    """

    name = "user_recall"

    def of_users(self, hits: Tensor, targets: Tensor, k: int) -> Tensor:
        """(U, k), (U,) -> (U,)."""
        return hits.sum(1) / targets.clamp(max=k)

"""BPR: the target should score above each negative.

Paper: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009,
https://arxiv.org/abs/1205.2618. What differs: a positive is the next item of a history, not any item of a user, and
the penalty on the weights is the optimizer's.

Relations: ``bce`` looks at each score alone, ``sampled_softmax`` at all of them together.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Negatives
from rec_lightning.losses.uniform import Uniform, negative_scores, target_scores


class BPR(nn.Module):
    """Mean over positions of the mean over negatives of ``-log sigmoid(s - s_k)``.

    Args:
        count: negatives; at least 1, which is the paper's.
        shared: the same negatives for all positions of a step.
    """

    def __init__(self, count: int = 1, shared: bool = False) -> None:
        super().__init__()
        self.uniform = Uniform(count, shared)

    def negatives(self, target: Tensor, catalog_size: int) -> Negatives:
        """(P,) -> items (K,) or (P, K)."""
        return self.uniform.draw(target, catalog_size)

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, negatives as rows of keys -> scalar."""
        scores, hit = negative_scores(queries, keys, target, negatives)
        lead = target_scores(queries, keys, target).unsqueeze(1) - scores
        taken = (~hit).sum(1).clamp(min=1)  # a position all of whose negatives are its target has no loss
        return (F.softplus(-lead).masked_fill(hit, 0).sum(1) / taken).mean()

"""BPR: the target should score above each negative.

Paper: S. Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009,
https://arxiv.org/abs/1205.2618. What differs: a positive is the next item of a history, not any item of a user, and
the penalty on the weights is the optimizer's.

Relations: ``bce`` looks at each score alone, ``sampled_softmax`` at all of them together.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.negatives.draws import Draws, Sampler
from rec_lightning.losses.scores import negative_scores, target_scores


class BPR(nn.Module):
    """Mean over positions of the mean over negatives of ``-log sigmoid(s - s_k)``.

    Args:
        count: negatives; at least 1, which is the paper's.
        shared: the same negatives for all positions of a step.
        negatives: the kind of negatives; uniform by default.
    """

    def __init__(self, count: int = 1, shared: bool = False, negatives: Sampler | None = None) -> None:
        super().__init__()
        self.draws = Draws(count, shared, negatives)

    def prepare(self, catalog: Catalog) -> None:
        """Takes the catalogue in."""
        self.draws.prepare(catalog)

    def negatives(self, target: Tensor) -> Negatives:
        """(P,) -> items (K,) or (P, K)."""
        drawn: Negatives = self.draws(target)
        return drawn

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, negatives as rows of keys -> scalar."""
        scores, hit = negative_scores(queries, keys, target, negatives)
        lead = target_scores(queries, keys, target).unsqueeze(1) - scores
        taken = (~hit).sum(1).clamp(min=1)  # a position all of whose negatives are its target has no loss
        return (F.softplus(-lead).masked_fill(hit, 0).sum(1) / taken).mean()

"""Binary cross-entropy of the target against a few negatives, the objective of the published SASRec.

Paper: W.-C. Kang and J. McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781. What differs from the official code: a negative is any item but the target, there it
is any item that the user never touches, test items included.

Relations: ``gbce`` weakens the positive part, without which a model is far too sure of itself.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.negatives.draws import Draws, Sampler
from rec_lightning.losses.scores import negative_scores, target_scores


class BCE(nn.Module):
    """Mean over positions of ``-(log sigmoid(s) + sum_k log(1 - sigmoid(s_k)))``.

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
        positive = F.softplus(-target_scores(queries, keys, target))
        return (positive + F.softplus(scores).masked_fill(hit, 0).sum(1)).mean()

"""gBCE: binary cross-entropy whose positive part is weakened by as much as negatives are few.

Paper: A. Petrov and C. Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with
Negative Sampling", RecSys 2023, https://arxiv.org/abs/2308.07192. With sampling rate a and calibration t the
positive probability is raised to beta = 1 - t (1 - a), which is the paper's a (t (1 - 1/a) + 1/a). What differs from
the official code: it transforms the positive logit and clips it in float64, here beta is a factor of the logarithm,
which is the same number; negatives may be shared by all positions, and of any kind: a is
always their number over that of the items.

With many negatives the first steps only push every score down, by gradients some hundred times as large as those that
tell items apart; Adam remembers them for ``1 / (1 - betas[1])`` steps and takes small ones meanwhile, so that a model
stays at the level of popularity for long. ``optimizer.betas=[0.9,0.95]`` ends that (``experiments/reproduce_ml1m``).

Relations: with t = 0 it is ``bce`` divided by 1 + K.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.negatives.draws import Draws, Sampler
from rec_lightning.losses.scores import negative_scores, target_scores


class GBCE(nn.Module):
    """Mean over positions of ``-(beta log sigmoid(s) + sum_k log(1 - sigmoid(s_k))) / (1 + K)``.

    Args:
        count: negatives, K; at least 1.
        calibration: t in [0, 1]; 0 is plain cross-entropy, 1 makes the probabilities those of all negatives.
        shared: the same negatives for all positions of a step.
        negatives: the kind of negatives; uniform by default.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self, count: int = 256, calibration: float = 0.75, shared: bool = False, negatives: Sampler | None = None
    ) -> None:
        super().__init__()
        if not 0 <= calibration <= 1:
            raise ValueError(f"loss.calibration must be in [0, 1], got {calibration}. Set loss.calibration.")
        self.draws, self.calibration = Draws(count, shared, negatives), calibration

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
        # drawn with replacement, there may be more negatives than items: then nothing is left to make up for
        drawn, others = scores.shape[1], self.draws.size - (negatives.items.ndim == 2)
        beta = 1 - self.calibration * (1 - min(1, drawn / others))
        positive = beta * F.softplus(-target_scores(queries, keys, target))
        each = positive + F.softplus(scores).masked_fill(hit, 0).sum(1)
        return each.mean() / (1 + drawn)

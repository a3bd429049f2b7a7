"""Softmax over the target and some negatives, corrected for how they were drawn.

Papers: Y. Bengio and J.-S. Senécal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic
Language Model", IEEE Transactions on Neural Networks 2008, https://doi.org/10.1109/TNN.2007.912312; K. Khrylchenko et
al., "Correcting the LogQ Correction: Revisiting Sampled Softmax for Large-Scale Retrieval", RecSys 2025,
https://arxiv.org/abs/2507.09331. What differs from the usual code: a negative's score is reduced by the logarithm of
how often it is expected to be drawn, the target's is not, since the target is there always and is not drawn. So
the sum in the denominator estimates the whole catalogue's without bias; correcting both would change nothing where
draws are uniform. The second paper's extra weight of each position is not there.

Relations: with every item drawn once it is ``full_softmax``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.negatives.draws import Draws, Sampler
from rec_lightning.losses.scores import negative_scores, target_scores


class SampledSoftmax(nn.Module):
    """Mean over positions of ``-log(e^s / (e^s + sum_k e^s_k / rate_k))``.

    Args:
        count: negatives; at least 1.
        shared: the same negatives for all positions of a step.
        correct: whether rates count; else each negative weighs as much as the target.
        negatives: the kind of negatives; uniform by default.
    """

    def __init__(
        self, count: int = 256, shared: bool = True, correct: bool = True, negatives: Sampler | None = None
    ) -> None:
        super().__init__()
        self.draws, self.correct = Draws(count, shared, negatives), correct

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
        if self.correct:
            scores = scores - negatives.rate.log()
        aim = target_scores(queries, keys, target).unsqueeze(1)
        logits = torch.cat([aim, scores.masked_fill(hit, -torch.inf)], 1)  # (P, 1 + K)
        return (logits.logsumexp(1) - aim.squeeze(1)).mean()

"""Novelty: the mean surprise -log2 p of what is shown, p its share of the training events.

Paper: T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010,
https://arxiv.org/abs/0808.2670. What differs: one event is added to each item, so that an item without any is finite.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_exposure import ByExposure


class Novelty(ByExposure):
    """Novelty at all k at once."""

    name = "novelty"
    key = "novelty"

    def value(self, shown: Tensor) -> Tensor:
        """In bits, a mean over all places."""
        known = (self.popularity + 1) / (self.popularity + 1).sum()
        return -(shown * known.log2()).sum() / shown.sum()

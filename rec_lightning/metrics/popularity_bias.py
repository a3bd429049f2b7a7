"""ARP, average recommendation popularity: the mean number of training events of what is shown.

Paper: H. Yin et al., "Challenging the Long Tail Recommendation", PVLDB 5(9), 2012, https://arxiv.org/abs/1205.6700.
What differs: the mean is over all places of all lists, which is theirs where lists are equally long.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_exposure import ByExposure


class PopularityBias(ByExposure):
    """Average recommendation popularity at all k at once."""

    name = "popularity_bias"
    key = "arp"

    def value(self, shown: Tensor) -> Tensor:
        """Training events, a mean over all places."""
        return (shown * self.popularity).sum() / shown.sum()

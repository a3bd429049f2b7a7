"""Shannon entropy of how often items are shown, in bits: log2 of the catalogue when all alike."""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_exposure import ByExposure


class Entropy(ByExposure):
    """Entropy at all k at once."""

    name = "entropy"
    key = "entropy"

    def value(self, shown: Tensor) -> Tensor:
        """Over the items that are shown."""
        share = shown[shown > 0] / shown.sum()
        return -(share * share.log2()).sum()

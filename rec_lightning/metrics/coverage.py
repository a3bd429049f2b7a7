"""Coverage: the share of the catalogue that is recommended to anybody."""

from __future__ import annotations

from torch import Tensor

from rec_lightning.metrics.by_exposure import ByExposure


class Coverage(ByExposure):
    """Coverage at all k at once."""

    name = "coverage"
    key = "coverage"

    def value(self, shown: Tensor) -> Tensor:
        """Items shown at least once by all items."""
        return (shown > 0).double().mean()

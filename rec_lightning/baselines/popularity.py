"""Popularity: every user gets the items with the most training interactions. What any model has to beat."""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Sequences


class Popularity:
    """Scores an item by its number of training interactions."""

    parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Takes the counts of the catalogue; they come from training events only."""
        self._counts = torch.from_numpy(catalog.popularity).float()

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        return self._counts.expand(len(batch), -1)

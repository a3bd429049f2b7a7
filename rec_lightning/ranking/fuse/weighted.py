"""Weighted: the sum of the models' scores, each brought to 0..1 over its own list.

Paper: J. Lee, "Analyses of Multiple Evidence Combination", SIGIR 1997, https://doi.org/10.1145/258525.258587 (CombSUM
over scores from 0 to 1). What differs: a weight for each model; an item that a model does not list counts as its last.

Relations: ``stacking`` learns the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rec_lightning.ranking.fuse.joined import Joined


class Weighted:
    """Values by score alone.

    Args:
        weights: of each model, none below 0 and one above; None for all alike.

    Raises:
        ValueError: a value out of range.
    """

    learns = False

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        if weights is not None and (min(weights, default=0) < 0 or max(weights, default=0) <= 0):
            raise ValueError(f"fuse.weights must be at least 0 and one above, got {list(weights)}. Set fuse.weights.")
        self.weights = weights

    def check(self, models: int) -> None:
        """Refuses another number of weights than models.

        Raises:
            ValueError: it is another one.
        """
        if self.weights is not None and len(self.weights) != models:
            raise ValueError(
                f"fuse.weights must be one for each of the {models} runs, got {list(self.weights)}. Set fuse.weights."
            )

    def __call__(self, joined: Joined) -> Tensor:
        """(U, C)."""
        weights = torch.ones(joined.models) if self.weights is None else torch.tensor(list(self.weights))
        return (weights.view(-1, 1, 1) * joined.score).sum(0)

"""Stacking: a model of the models, fitted on their validation lists.

Papers: D. Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992,
https://doi.org/10.1016/S0893-6080(05)80023-1; the model is the conditional logit of D. McFadden, "Conditional Logit
Analysis of Qualitative Choice Behavior", 1973: among all items that are listed for a validation target, the target is
the one that was chosen. Each item is told by each model's score (0..1), 1 / place, and whether it is listed. What
differs: no folds, since the models did not train on validation targets; their epochs were chosen by them, though.

The loss is convex and fitted by L-BFGS in double precision from zero, so the weights are the same at every run.

Relations: ``weighted`` takes the scores alone with given weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.ranking.fuse.joined import Joined

# R models, U targets, C listed items, F = 3 R numbers that tell an item

_TARGETS = 5000  # enough for a few weights, and it bounds the memory


class Stacking:
    """A weighted sum of what the models say, with weights that make validation targets likely.

    Args:
        penalty: of the squared weights, above 0.

    Raises:
        ValueError: a value out of range.
    """

    learns = True

    def __init__(self, penalty: float = 1e-3) -> None:
        if penalty <= 0:
            raise ValueError(f"fuse.penalty must be above 0, got {penalty}. Set fuse.penalty.")
        self.penalty = penalty
        self.weights = torch.empty(0, dtype=torch.double)

    def check(self, models: int) -> None:
        """Any number of models will do."""

    def fit(self, joined: Joined) -> None:
        """Learns from validation lists; at most 5,000 targets, evenly taken from those that are listed.

        Raises:
            ValueError: no target is listed by any model.
        """
        listed = (joined.items == joined.target.unsqueeze(1)).any(1).nonzero().squeeze(1)
        if not len(listed):
            raise ValueError("no validation target is in any list, so nothing can be learnt. Raise depth.")
        part = joined.take(listed[:: -(-len(listed) // _TARGETS)])
        told, none = _told(part), part.items == 0
        chosen = (part.items == part.target.unsqueeze(1)).int().argmax(1)
        weights = torch.zeros(told.shape[2], dtype=torch.double, requires_grad=True)
        search = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            values = (told @ weights).masked_fill(none, -torch.inf)
            total = torch.nn.functional.cross_entropy(values, chosen) + self.penalty * weights.square().sum()
            total.backward()
            return total

        with torch.enable_grad():
            search.step(loss)
        self.weights = weights.detach()

    def __call__(self, joined: Joined) -> Tensor:
        """(U, C) double."""
        return torch.cat(
            [_told(joined.take(rows)) @ self.weights for rows in torch.arange(len(joined.users)).split(1024)]
        )


def _told(joined: Joined) -> Tensor:
    # (U, C, 3 R) double
    listed = (joined.place > 0).double()
    parts = torch.cat([joined.score.double(), listed / joined.place.clamp(min=1), listed])
    return parts.permute(1, 2, 0)

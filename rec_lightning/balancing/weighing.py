"""What methods over losses share: a weighted sum of the losses, and nothing asked of gradients.

Relations: ``fixed`` is the plain sum; ``uncertainty, dwa, gradnorm`` change the weights, ``aggregation`` the gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# T tasks


class Weighing(nn.Module):
    """The sum of the losses, each times a weight that is 1 at the start.

    Args:
        tasks: T.
    """

    takes_gradients = False
    takes_norms = False
    weight: Tensor

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.ones(tasks))  # saved, so that a resumed run goes on with it

    def forward(self, losses: Tensor, there: Tensor) -> Tensor:
        """(T,), (T,) -> (); a task without labels adds nothing."""
        return (self.weight.clone() * losses).sum()  # the weight may change before the backward pass

    def directions(self, products: Tensor, there: Tensor) -> Tensor:
        """(T, T) -> (T,) the weights."""
        return self.weight.to(products)

    def observe(self, losses: Tensor, norms: Tensor, there: Tensor) -> None:
        """Nothing is kept."""

    def end_epoch(self, losses: Tensor) -> None:
        """Nothing is kept."""

"""Multinomial likelihood: the full softmax over the catalogue, asked once for all items of a user.

Paper: D. Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
https://arxiv.org/abs/1802.05814. For single targets it is the full softmax itself.

Relations: ``full_softmax`` would make the same scores once for each item of a user.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.losses.full_softmax import FullSoftmax

# B users, L items of a user, D width, N items


class Multinomial(FullSoftmax):
    """``-log softmax`` of targets; of whole sets it gives the sum over a user's items."""

    def __init__(self) -> None:
        super().__init__()

    def of_sets(self, queries: Tensor, keys: Tensor, items: Tensor) -> Tensor:
        """The mean over users of the sum over their items.

        Args:
            queries: (B, D).
            keys: (N + 1, D); row 0 is the padding and never scored.
            items: (B, L) of each user, padded with 0.
        """
        scores = queries @ keys[1:].T  # (B, N)
        found = scores.gather(1, (items - 1).clamp(min=0)) - torch.logsumexp(scores, 1, keepdim=True)
        return -(found * (items > 0)).sum(1).mean()

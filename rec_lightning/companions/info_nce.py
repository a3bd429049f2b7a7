"""InfoNCE over the pairs of a batch: the two views of a row belong together, all others of the batch do not.

Paper: T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
https://arxiv.org/abs/2002.05709, where it is called NT-Xent.

Relations: what ``cl4srec`` and ``duorec`` have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# B batch, D width


def info_nce(one: Tensor, two: Tensor, temperature: float, cosine: bool) -> Tensor:
    """The mean over all 2 B views of ``-log softmax`` of the other view's score among the 2 B - 1 others.

    Args:
        one: (B, D).
        two: (B, D); row b is the pair of row b.
        temperature: the scores are divided by it.
        cosine: scores of unit vectors; else inner products.
    """
    views = torch.cat([one, two]).float()
    if cosine:
        views = F.normalize(views, dim=1)
    scores = (views @ views.T / temperature).fill_diagonal_(-torch.inf)  # (2 B, 2 B)
    pair = torch.arange(len(views), device=views.device).roll(len(one))
    return F.cross_entropy(scores, pair)


def check_contrast(weight: float, temperature: float) -> None:
    """Raises ValueError for a value out of range."""
    for name, value in (("weight", weight), ("temperature", temperature)):
        if value <= 0:
            raise ValueError(
                f"companion.{name} must be positive, got {value}. Set companion.{name}, or companion=none."
            )

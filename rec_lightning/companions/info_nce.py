"""InfoNCE over the pairs of a batch: the two views of a row belong together, all others of the batch do not.

Paper: T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
https://arxiv.org/abs/2002.05709, where it is called NT-Xent.

Relations: what ``cl4srec`` and ``duorec`` have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rec_lightning.exchange import joined

# B batch, D width


def info_nce(one: Tensor, two: Tensor, temperature: float, cosine: bool, everyone: bool = False) -> Tensor:
    """The mean over all 2 B views of ``-log softmax`` of the other view's score among the 2 B - 1 others.

    Args:
        one: (B, D).
        two: (B, D); row b is the pair of row b.
        temperature: the scores are divided by it.
        cosine: scores of unit vectors; else inner products.
        everyone: among the views of all processes, which may have other numbers of rows; the mean is over the own ones.
    """
    views = torch.stack([one, two], 1).float()
    if cosine:
        views = F.normalize(views, dim=2)
    others, own = joined(views) if everyone else (views, slice(0, len(views)))
    scores = views.flatten(0, 1) @ others.flatten(0, 1).T / temperature  # (2 B, 2 B of all)
    place = torch.arange(2 * own.start, 2 * own.stop, device=scores.device).unsqueeze(1)
    return F.cross_entropy(scores.scatter(1, place, -torch.inf), place.squeeze(1) ^ 1)


def check_contrast(weight: float, temperature: float) -> None:
    """Raises ValueError for a value out of range."""
    for name, value in (("weight", weight), ("temperature", temperature)):
        if value <= 0:
            raise ValueError(
                f"companion.{name} must be positive, got {value}. Set companion.{name}, or companion=none."
            )

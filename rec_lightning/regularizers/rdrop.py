"""R-Drop: two passes with other dropout should say the same.

Paper: L. Wu et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021,
https://arxiv.org/abs/2106.14448. What differs: the mean of both losses in place of their sum, so that the learning rate
keeps its meaning; of numbers half the squared difference, which is the divergence of two normal distributions; items
are encoded once, so that dropout inside a text encoder is the same in both passes.

Relations: ``duorec`` (a companion) compares the states of two such passes, and not what is predicted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Pass

_LEAST = 1e-12


class RDrop:
    """``(loss + loss') / 2 + weight * (KL(p, p') + KL(p', p)) / 2``.

    Args:
        weight: positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, weight: float = 1.0) -> None:
        if not weight > 0:
            raise ValueError(f"regularizer.weight must be positive, got {weight}. Set regularizer.weight.")
        self.weight = weight

    def __call__(self, vectors: Tensor, once: Pass) -> Tensor:
        """(M, D) -> ().

        Raises:
            ValueError: both passes say the same to the last bit, as they do without dropout.
        """
        (one, said), (two, said_again) = once(vectors), once(vectors)
        p, q = said(), said_again()
        if torch.equal(p, q):
            raise ValueError(
                "regularizer=rdrop needs dropout, and two passes say the same. Set backbone.dropout or head.dropout, "
                "or regularizer=none."
            )
        return (one + two) / 2 + self.weight * apart(p, q)


def apart(p: Tensor, q: Tensor) -> Tensor:
    """The mean divergence between what two passes say.

    Args:
        p: (n, K) probabilities, or (n,) numbers.
        q: the same of the other pass.

    Example:
        >>> one, two = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]])
        >>> round(float(apart(one, two)), 4)
        0.2079
    """
    if p.ndim == 1:
        return (p - q).square().mean() / 2
    # (KL(p, q) + KL(q, p)) / 2
    return ((p - q) * (p.clamp(min=_LEAST).log() - q.clamp(min=_LEAST).log())).sum(1).mean() / 2

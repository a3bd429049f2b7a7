"""FGM: the loss at the item vectors, and the loss where they are moved one step against the model.

Paper: T. Miyato, A. M. Dai and I. Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification",
ICLR 2017, https://arxiv.org/abs/1605.07725. What differs: item vectors are moved, each by itself, in place of the word
vectors of a text as a whole; the step is a share of their mean length.

Relations: ``pgd`` takes several steps, ``freelb`` learns at each of them.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.contracts import Pass
from rec_lightning.regularizers.perturb import check_size, movable, reach, slope


class FGM:
    """``loss + weight * loss where moved``.

    Args:
        size: of the move, as a share of the mean length of the item vectors; positive.
        weight: positive.

    Raises:
        ValueError: a value out of range.
    """

    moves_vectors = True

    def __init__(self, size: float = 0.1, weight: float = 1.0) -> None:
        check_size(size, weight)
        self.size, self.weight = size, weight

    def __call__(self, vectors: Tensor, once: Pass) -> Tensor:
        """(M, D) -> ()."""
        vectors = movable(vectors)
        clean, _ = once(vectors)
        hard, _ = once(vectors + reach(vectors, self.size) * slope(clean, vectors, "regularizer=fgm"))
        return clean + self.weight * hard

"""FreeLB: the mean loss over the steps of an attack, so that every step against the model also teaches it.

Paper: C. Zhu, Y. Cheng, Z. Gan, S. Sun, T. Goldstein and J. Liu, "FreeLB: Enhanced Adversarial Training for Natural
Language Understanding", ICLR 2020, https://arxiv.org/abs/1909.11764. What differs: item vectors are moved, each in a
ball of its own; the steps are kept until one backward pass, which costs memory for each and leaves accumulation over
batches to the trainer.

Relations: ``pgd`` learns at the end of its steps only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Pass
from rec_lightning.regularizers.perturb import check_size, held, movable, reach, slope


class FreeLB:
    """The mean of the losses at ``steps`` places.

    Args:
        size: of the ball, as a share of the mean length of the item vectors; positive.
        steps: number of places.
        step: length between two, as a share of the ball; positive.
        start: how far from the vectors the first one is, at most, as a share of the ball; drawn at random.

    Raises:
        ValueError: a value out of range.
    """

    moves_vectors = True

    def __init__(self, size: float = 0.1, steps: int = 2, step: float = 1.0, start: float = 1.0) -> None:
        check_size(size, steps=steps)
        if not step > 0 or not 0 <= start <= 1:
            raise ValueError(
                f"regularizer.step must be positive and regularizer.start in 0..1, got {step} and {start}. Set them."
            )
        self.size, self.steps, self.step, self.start = size, steps, step, start

    def __call__(self, vectors: Tensor, once: Pass) -> Tensor:
        """(M, D) -> ()."""
        longest = reach(vectors, self.size)
        move = held(torch.rand_like(vectors) * 2 - 1, longest) * self.start
        move[0] = 0  # the padding
        total = vectors.new_zeros(())
        for number in range(self.steps):
            at = movable(vectors + move)
            loss, _ = once(at)
            total = total + loss / self.steps
            if number + 1 < self.steps:
                move = held(move + self.step * longest * slope(loss, at, "regularizer=freelb"), longest)
        return total

"""PGD: the loss at the item vectors, and the loss at the end of several steps against the model inside a ball.

Paper: A. Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
https://arxiv.org/abs/1706.06083. What differs: item vectors are moved, each in a ball of its own that is a share of
their mean length; the start is the vector itself; the clean loss counts too, as in ``fgm``.

Relations: ``fgm`` is one step to the edge; ``freelb`` learns on the way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Pass
from rec_lightning.regularizers.perturb import check_size, held, movable, reach, slope


class PGD:
    """``loss + weight * loss where moved``.

    Args:
        size: of the ball, as a share of the mean length of the item vectors; positive.
        weight: positive.
        steps: to the end; each costs one more pass forth and back.
        step: length of each, as a share of the ball; positive.

    Raises:
        ValueError: a value out of range.
    """

    moves_vectors = True

    def __init__(self, size: float = 0.1, weight: float = 1.0, steps: int = 3, step: float = 0.5) -> None:
        check_size(size, weight, steps)
        if not step > 0:
            raise ValueError(f"regularizer.step must be positive, got {step}. Set regularizer.step.")
        self.size, self.weight, self.steps, self.step = size, weight, steps, step

    def __call__(self, vectors: Tensor, once: Pass) -> Tensor:
        """(M, D) -> ()."""
        longest, still = reach(vectors, self.size), vectors.detach()
        move = torch.zeros_like(still)
        for _ in range(self.steps):
            at = movable(still + move)  # no gradient goes on into the items
            move = held(move + self.step * longest * slope(once(at)[0], at, "regularizer=pgd"), longest)
        return once(vectors)[0] + self.weight * once(vectors + move)[0]

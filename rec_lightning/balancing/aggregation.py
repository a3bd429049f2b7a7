"""Aggregation: the gradients of the tasks in the shared parameters are weighed against each other at every step.

Each method reads the inner products of the gradients and says what each of them counts: PCGrad (T. Yu et al.,
"Gradient Surgery for Multi-Task Learning", NeurIPS 2020, https://arxiv.org/abs/2001.06782), CAGrad (B. Liu et al.,
"Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021, https://arxiv.org/abs/2110.14048), MGDA (O.
Sener and V. Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018,
https://arxiv.org/abs/1810.04650) and UPGrad (P. Quinton and V. Rey, "Jacobian Descent for Multi-Objective
Optimization", 2024, https://arxiv.org/abs/2406.16232), all by the library torchjd (extra ``torchjd``). Parameters of
one task only follow its own loss. The scale of the sum is the library's: PCGrad adds the gradients, CAGrad, MGDA and
UPGrad take a mean, which matters where the optimizer does not undo it.

Relations: ``nash`` keeps its answer between steps; ``weighing`` has the methods over losses.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rec_lightning.balancing.weighing import Weighing

# T tasks


class Aggregation(Weighing):
    """Any weighting of torchjd that reads inner products.

    Args:
        tasks: T.
        weighting: (n, n) inner products -> (n,) weights.
    """

    takes_gradients = True

    def __init__(self, tasks: int, weighting: Callable[[Tensor], Tensor]) -> None:
        super().__init__(tasks)
        self.weighting = weighting

    def directions(self, products: Tensor, there: Tensor) -> Tensor:
        """(T, T), (T,) -> (T,); a task without a gradient takes no part, and has 0."""
        found = torch.zeros(len(there), dtype=torch.double)
        # one without labels, or whose gradient is 0, would pull the methods that look for a common descent to 0
        rows = (there & (products.diagonal() > 0)).cpu().nonzero().flatten()
        if len(rows):
            found[rows] = self.weighting(products.cpu().double()[rows][:, rows]) if len(rows) > 1 else 1.0
        return found.to(products)

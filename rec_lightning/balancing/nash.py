"""Nash-MTL: the gradients bargain for a common direction, in which every task gains in proportion.

Paper: A. Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, https://arxiv.org/abs/2202.01017, by the
library torchjd (extra ``torchjd``), which solves a convex problem a few times a step. What differs: a task without
labels at a step takes no part in its bargain.

Relations: ``aggregation`` has the methods that keep nothing between steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rec_lightning.balancing.aggregation import Aggregation

# T tasks


class Nash(Aggregation):
    """The bargain.

    Args:
        tasks: T.
        solver: called with ``n_tasks``; torchjd's aggregator.
        every: steps between two bargains; the answer is kept in between.

    Raises:
        ValueError: a number of steps below 1.
    """

    def __init__(self, tasks: int, solver: Callable[..., Any], every: int = 1) -> None:
        super().__init__(tasks, self._bargain)
        if every < 1:
            raise ValueError(f"balancing.every must be at least 1, got {every}. Set balancing.every.")
        self.solver, self.every, self.calls = solver, every, 0
        self._made: dict[int, Any] = {}
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}  # by who took part: where the solver ended, the answer

    def directions(self, products: Tensor, there: Tensor) -> Tensor:
        """(T, T), (T,) -> (T,)."""
        self.calls += 1
        self._who = "".join(str(int(one)) for one in there & (products.diagonal() > 0))
        return super().directions(products, there)

    def _bargain(self, products: Tensor) -> Tensor:
        if self._who in self._kept and (self.calls - 1) % self.every:
            return self._kept[self._who][1]
        many = len(products)
        if many not in self._made:
            self._made[many] = self.solver(n_tasks=many).weighting
        made = self._made[many]
        made.prvs_alpha = self._kept[self._who][0].numpy() if self._who in self._kept else np.ones(many)
        values, vectors = torch.linalg.eigh(products)
        root = vectors * values.clamp(min=0).sqrt()  # its products are those given
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are solving a parameterized problem that is not DPP")
            warnings.filterwarnings("ignore", "Solution may be inaccurate")
            found: Tensor = made(root)
        self._kept[self._who] = torch.tensor(made.prvs_alpha), found
        return found

    def resume_state(self) -> dict[str, Any]:
        """The answers so far."""
        return {"calls": self.calls, "kept": dict(self._kept)}

    def load_resume_state(self, state: dict[str, Any]) -> None:
        """Goes on from them."""
        self.calls, self._kept = state["calls"], dict(state["kept"])

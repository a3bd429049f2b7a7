"""Reciprocal rank fusion: the sum over models of 1 / (constant + place).

Paper: G. Cormack, C. Clarke and S. Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods", SIGIR 2009, https://doi.org/10.1145/1571941.1572114. What differs: nothing; an item that a model does not
list gets nothing from it.

Relations: ``borda`` falls by the same step from place to place, this one steeply at the first places.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.ranking.fuse.joined import Joined


class ReciprocalRank:
    """Values by place alone.

    Args:
        constant: at least 0; the larger, the less the first places stand out.

    Raises:
        ValueError: a value out of range.
    """

    learns = False

    def __init__(self, constant: float = 60.0) -> None:
        if constant < 0:
            raise ValueError(f"fuse.constant must be at least 0, got {constant}. Set fuse.constant.")
        self.constant = constant

    def check(self, models: int) -> None:
        """Any number of models will do."""

    def __call__(self, joined: Joined) -> Tensor:
        """(U, C)."""
        return ((joined.place > 0) / (self.constant + joined.place)).nan_to_num(0.0).sum(0)

"""Borda count: each model gives an item as many points as it stands above the end of the list.

Paper: J. Aslam and M. Montague, "Models for Metasearch", SIGIR 2001, https://doi.org/10.1145/383952.384007. What
differs: an item that a model does not list gets no points from it, in place of an equal share of those that are left.

Relations: ``rrf`` goes by place as well, and ``weighted`` by score.
"""

from __future__ import annotations

from torch import Tensor

from rec_lightning.ranking.fuse.joined import Joined


class Borda:
    """Values by place alone."""

    learns = False

    def check(self, models: int) -> None:
        """Any number of models will do."""

    def __call__(self, joined: Joined) -> Tensor:
        """(U, C)."""
        return ((joined.depth + 1 - joined.place) * (joined.place > 0)).sum(0).double()

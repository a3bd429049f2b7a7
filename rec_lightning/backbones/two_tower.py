"""Two towers: a user is the mean of the items so far and what is known of the person; an item is its vector.

Paper: P. Covington, J. Adams and E. Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016,
https://doi.org/10.1145/2959100.2959190, whose candidate model joins the mean of watched videos with features of the
user. What differs: every position is trained, each on the mean up to itself; the mean also goes around the net. A new
user, or one of whom nothing is known, has the vector of an unknown one, which is learnt by taking some users for
unknown in training (as J. Volkovs, G. Yu and T. Poutanen do in "DropoutNet: Addressing Cold Start in Recommender
Systems", NIPS 2017).

Relations: ``mean_pooling`` with features of users; any table of features may be given (``items/feature_table``).
"""

from __future__ import annotations

from typing import Protocol

import polars as pl
import torch
from torch import Tensor, nn

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.backbones.mean_pooling import check_options, feed_forward, running_mean
from rec_lightning.contracts import Batch, Catalog

# B batch, L length, D width, U users


class MakesTable(Protocol):
    """Makes a module that gives (M, D) for (M,) rows of the frame, counted from 0."""

    def __call__(self, frame: pl.DataFrame) -> nn.Module: ...


class TwoTower(nn.Module):
    """Running mean beside the user's vector, then a feed-forward net; the mean is added at the end.

    Args:
        catalog: whose table of users describes them.
        width: D, of the item vectors, the user's vector and the states.
        users: called with the table of users and a last row in which nothing is known.
        decay: weight of an item relative to the next one, in (0, 1]; 1 is the plain mean.
        layers: of the feed-forward net; 0 for a linear layer only.
        ffn_factor: width of the feed-forward layers relative to D.
        dropout: probability in [0, 1), on the item vectors and inside the net.
        unknown: share of the rows of a training batch whose user is taken for unknown, in [0, 1).

    Raises:
        ValueError: a value out of range, or a column that the users do not have.
    """

    pretrained = False

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        users: MakesTable,
        decay: float = 1.0,
        layers: int = 1,
        ffn_factor: int = 4,
        dropout: float = 0.2,
        unknown: float = 0.1,
    ) -> None:
        super().__init__()
        check_options(decay, dropout, layers, ffn_factor)
        if not 0 <= unknown < 1:
            raise ValueError(f"backbone.unknown must be in [0, 1), got {unknown}. Set backbone.unknown.")
        known = catalog.users
        self.decay, self.unknown, self.size = decay, unknown, known.height
        try:
            self.users = users(frame=known if not known.height else pl.concat([known, known.clear(1)]))
        except ValueError as error:
            raise ValueError(f"backbone.users: {error}") from error
        # weights belong to values, so they never meet those of other users
        self.base = {"name": "users", "values": str(getattr(self.users, "fingerprint", ""))} if known.height else None
        self.dropout = Dropout(dropout)
        self.net = feed_forward(2 * width, width, layers, ffn_factor, dropout)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the feed-forward net."""
        return self.net

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.net = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing."""
        mean = running_mean(self.dropout(item_vectors), self.decay)
        person = self.users(self._rows(batch.user)).unsqueeze(1).expand_as(mean)  # (B, L, D)
        out: Tensor = mean + self.net(torch.cat([mean, person], 2))
        return out

    def _rows(self, user: Tensor) -> Tensor:
        # who is beyond the table is new, and stands in the last row, of which nothing is known
        strange = (user < 0) | (user >= self.size)
        if self.training and self.unknown:
            strange = strange | (torch.rand(user.shape, device=user.device) < self.unknown)
        return torch.where(strange, self.size, user)

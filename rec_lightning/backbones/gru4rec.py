"""GRU4Rec: a gated recurrent network over the history.

Paper: B. Hidasi, A. Karatzoglou, L. Baltrunas and D. Tikk, "Session-based Recommendations with Recurrent Neural
Networks", ICLR 2016, https://arxiv.org/abs/1511.06939. What differs: a window of a history starts from a zero state,
sessions are not joined in parallel; the losses are those of ``losses``, not BPR-max over the mini-batch; the states are
projected back to the width of the items, so that the hidden state may be wider.

Relations: unlike ``sasrec`` it has no positions, so it takes histories of any length.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch

# B batch, L length, D width, H hidden


class GRU4Rec(nn.Module):
    """Stacked GRU layers.

    Args:
        width: D, of the item vectors and the states.
        hidden: H, of the recurrent state; null for D.
        layers: number of GRU layers.
        dropout: probability in [0, 1), on the input and between layers.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(self, width: int, hidden: int | None = None, layers: int = 1, dropout: float = 0.2) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        hidden = width if hidden is None else hidden
        for name, value in (("hidden", hidden), ("layers", layers)):
            if value < 1:
                raise ValueError(f"backbone.{name} must be at least 1, got {value}. Set backbone.{name}.")
        self.dropout = Dropout(dropout)
        between = dropout if layers > 1 else 0.0  # torch warns where there is no between
        self.gru = nn.GRU(width, hidden, layers, batch_first=True, dropout=between)
        self.out = nn.Linear(hidden, width)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the recurrent layers."""
        return self.gru

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.gru = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing."""
        hidden, _ = self.gru(self.dropout(item_vectors))  # (B, L, H); right-padded, so no packing is needed
        out: Tensor = self.out(hidden)
        return out

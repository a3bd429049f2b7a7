"""The last position alone: in evaluation only the state after the whole history counts, so the topmost block computes
nothing else.

Relations: ``sasrec``, ``bert4rec`` and ``hstu`` ask here; what lies below the topmost block needs every position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch

# B batch, L length, D width


def asked_place(batch: Batch) -> Tensor | None:
    """(B,) the place of the only state that counts, or None in training; of an empty history the first."""
    return None if batch.target.ndim == 2 else (batch.length - 1).clamp(min=0)


def picked(x: Tensor, at: Tensor | None) -> Tensor:
    """(B, L, ...) -> (B, 1, ...), each row's place ``at``; all of it without a place."""
    return x if at is None else x[torch.arange(len(x), device=x.device), at].unsqueeze(1)


def put_back(x: Tensor, at: Tensor | None, length: int) -> Tensor:
    """(B, 1, D) -> (B, L, D), zeros elsewhere; all of it without a place."""
    if at is None:
        return x
    row = torch.arange(len(x), device=x.device)
    return x.new_zeros(len(x), length, x.shape[2]).index_put((row, at), x[:, 0])

"""DuoRec: a history under another dropout and another history with the same target should have states near each other.

Paper: R. Qiu, Z. Huang, H. Yin and Z. Wang, "Contrastive Learning for Representation Degeneration Problem in
Sequential Recommendation", WSDM 2022, https://arxiv.org/abs/2110.05730. What differs: the history with the same
target is looked for in the batch, where every position of every window is the end of one, and not in the whole training
part; as in the official code, a history that has none is paired with itself under a third dropout.

Relations: ``cl4srec`` changes the history itself.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.companions.info_nce import check_contrast, info_nce
from rec_lightning.contracts import Batch, Encode

# B batch, L length, M rows of the vectors, D width


class DuoRec(nn.Module):
    """InfoNCE between a history and another one with the same target. Needs dropout in the backbone.

    Args:
        weight: of this objective beside the loss; positive.
        temperature: the scores are divided by it; positive.
        cosine: scores of unit vectors, in place of inner products.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, weight: float = 0.1, temperature: float = 1.0, cosine: bool = False) -> None:
        super().__init__()
        check_contrast(weight, temperature)
        self.weight, self.temperature, self.cosine = weight, temperature, cosine

    def forward(self, batch: Batch, vectors: Tensor, encode: Encode) -> Tensor:
        """A training batch whose history is rows of the vectors (M, D) -> scalar."""
        row, place = same_target(batch.target, batch.length)
        column = torch.arange(batch.history.shape[1], device=row.device)
        history = torch.where(column <= place.unsqueeze(1), batch.history[row], 0)
        pair = replace(batch, user=batch.user[row], history=history, length=place + 1, target=batch.target[row])
        one, two = (encode(view, F.embedding(view.history, vectors)) for view in (batch, pair))
        return info_nce(one, two, self.temperature, self.cosine)


def same_target(target: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """For each row another place of the batch with the target of the row's last position, by chance, else that itself.

    Args:
        target: (B, L), 0 where a position has none.
        length: (B,).

    Returns:
        Row and column of the place, each (B,).
    """
    width = target.shape[1]
    own = torch.arange(len(length), device=length.device) * width + length - 1  # places in the flat batch
    flat = target.flatten()
    ordered, order = flat.sort(stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    aim = flat[own].contiguous()
    first, last = torch.searchsorted(ordered, aim), torch.searchsorted(ordered, aim, right=True)
    others = (last - first - 1) * (aim > 0)
    drawn = first + (torch.rand(len(own), device=own.device) * others).long()
    drawn += drawn >= rank[own]
    chosen = torch.where(others > 0, order[drawn.clamp(max=len(order) - 1)], own)
    return chosen // width, chosen % width

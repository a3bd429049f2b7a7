"""CL4SRec: two changed copies of a history should have states near each other.

Paper: X. Xie et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022,
https://arxiv.org/abs/2010.14395. Each copy is cropped, masked or reordered, by chance. What differs: what is copied
is the window of the batch, not the user's whole history; and a hidden item has a learnt vector of this part, no row
of the item table.

Relations: ``duorec`` changes nothing in the history and leaves it to the dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.companions.augmentations.mask import HIDDEN
from rec_lightning.companions.info_nce import check_contrast, info_nce
from rec_lightning.contracts import Augmentation, Batch, Encode

# B batch, L length, M rows of the vectors, D width


class CL4SRec(nn.Module):
    """InfoNCE between two random changes of each history.

    Args:
        width: D.
        augmentations: changes by name, one of which is drawn for each row and view.
        weight: of this objective beside the loss; positive.
        temperature: the scores are divided by it; positive.
        cosine: scores of unit vectors, in place of inner products.
        everyone: views are held against those of all processes, as in one process with the whole batch; else against
            those of their own. With one process there are no others, and both are the same.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        width: int,
        augmentations: Mapping[str, Augmentation],
        weight: float = 0.1,
        temperature: float = 1.0,
        cosine: bool = False,
        everyone: bool = False,
    ) -> None:
        super().__init__()
        check_contrast(weight, temperature)
        if not augmentations:
            raise ValueError("companion.augmentations must name at least one, got none. Set companion.augmentations.")
        self.augmentations = list(augmentations.values())
        self.weight, self.temperature, self.cosine, self.everyone = weight, temperature, cosine, everyone
        self.hidden = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, batch: Batch, vectors: Tensor, encode: Encode) -> Tensor:
        """A training batch whose history is rows of the vectors (M, D) -> scalar."""
        one, two = (self._state(batch, vectors, encode) for _ in range(2))
        return info_nce(one, two, self.temperature, self.cosine, self.everyone)

    def _state(self, batch: Batch, vectors: Tensor, encode: Encode) -> Tensor:
        history, length = self._view(batch.history, batch.length)
        hidden = history == HIDDEN
        history = torch.where(hidden, batch.history, history)  # any item will do, but no padding inside
        of_items = F.embedding(history, vectors)  # (B, L, D)
        of_items = torch.where(hidden.unsqueeze(2), self.hidden.to(of_items.dtype), of_items)
        return encode(replace(batch, history=history, length=length), of_items)

    def _view(self, history: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        # every change of every row, of which each row takes one
        views = [change(history, length) for change in self.augmentations]
        which = torch.randint(len(views), length.shape, device=length.device)
        row = torch.arange(len(length), device=length.device)
        return torch.stack([view[0] for view in views])[which, row], torch.stack([v[1] for v in views])[which, row]

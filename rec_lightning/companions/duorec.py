"""DuoRec: a history under another dropout and another history with the same target should have states near each other.

Paper: R. Qiu, Z. Huang, H. Yin and Z. Wang, "Contrastive Learning for Representation Degeneration Problem in
Sequential Recommendation", WSDM 2022, https://arxiv.org/abs/2110.05730. What differs: the history with the same
target is looked for in the batch, where every position of every window is the end of one, and not in the whole training
part; as in the official code, a history that has none is paired with itself under a third dropout.

Relations: ``cl4srec`` changes the history itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.companions.info_nce import check_contrast, info_nce
from rec_lightning.contracts import Batch, Encode
from rec_lightning.exchange import gathered, joined, mine, several

# B batch, L length, M rows of the vectors, D width


class DuoRec(nn.Module):
    """InfoNCE between a history and another one with the same target. Needs dropout in the backbone.

    Args:
        weight: of this objective beside the loss; positive.
        temperature: the scores are divided by it; positive.
        cosine: scores of unit vectors, in place of inner products.
        everyone: pairs are looked for in the batches of all processes, and views are held against those of all, as in
            one process with the whole batch; else within each process. With one process both are the same.

    Raises:
        ValueError: a value out of range.
    """

    reads_targets = True  # of the next item

    def __init__(
        self, weight: float = 0.1, temperature: float = 1.0, cosine: bool = False, everyone: bool = False
    ) -> None:
        super().__init__()
        check_contrast(weight, temperature)
        self.weight, self.temperature, self.cosine, self.everyone = weight, temperature, cosine, everyone

    def forward(self, batch: Batch, vectors: Tensor, encode: Encode) -> Tensor:
        """A training batch whose history is rows of the vectors (M, D) -> scalar."""

        def state(row: Tensor, place: Tensor) -> Tensor:
            view = _until(batch, row, place)
            return encode(view, F.embedding(view.history, vectors))

        one = encode(batch, F.embedding(batch.history, vectors))
        if self.everyone and several():
            two = _of_everyone(batch, state)
        else:
            two = state(*same_target(batch.target, batch.length))
        return info_nce(one, two, self.temperature, self.cosine, self.everyone)


def _until(batch: Batch, row: Tensor, place: Tensor) -> Batch:
    # the histories of these rows, up to and with these columns
    column = torch.arange(batch.history.shape[1], device=row.device)
    history = torch.where(column <= place.unsqueeze(1), batch.history[row], 0)
    return replace(batch, user=batch.user[row], history=history, length=place + 1, target=batch.target[row])


def _of_everyone(batch: Batch, state: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    # the pair's state for each row, (B, D): who has the pair encodes it, since nobody else has its item vectors
    widest = max(int(width) for width in gathered(batch.length.new_tensor([batch.target.shape[1]])))
    targets = gathered(F.pad(batch.target, (0, widest - batch.target.shape[1])))
    own = mine(targets)
    found = same_target(torch.cat(targets), torch.cat(gathered(batch.length)), own)
    row, place = (torch.cat(gathered(part)) for part in found)  # what all processes ask for
    here = (row >= own.start) & (row < own.stop)
    # and one row more, so that nobody has nothing to encode
    states, _ = joined(state(F.pad(row[here] - own.start, (0, 1)), F.pad(place[here], (0, 1))))
    ends = torch.tensor([len(part) for part in targets], device=row.device).cumsum(0)
    owner = torch.searchsorted(ends, row, right=True)
    order = owner.argsort(stable=True)
    lies = torch.empty_like(order)
    lies[order] = torch.arange(len(order), device=row.device) + owner[order]
    return states[lies[own]]


def same_target(target: Tensor, length: Tensor, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
    """For each row another place of the batch with the target of the row's last position, by chance, else that itself.

    Args:
        target: (B, L), 0 where a position has none.
        length: (B,).
        rows: those that look for one, n; all by default.

    Returns:
        Row and column of the place, each (n,).
    """
    width = target.shape[1]
    own = (torch.arange(len(length), device=length.device) * width + length - 1)[rows]  # places in the flat batch
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

"""Full softmax over the items that training has met: one that comes later is no negative before it is there.

Items without a training event lie in the catalogue all the same, since they are ranked. A softmax over all of them
teaches a model that reads texts or features that such items are never chosen, which is knowledge of what was held out.

Relations: ``full_softmax`` scores the whole catalogue; with the split ``cold_start`` this one is the sound choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Catalog

# P positions, D width, N items, W items with a training event


class KnownSoftmax(nn.Module):
    """Mean over positions of ``-log softmax`` over the W known items, of which every target is one.

    Until a catalogue is taken in, all items are known.
    """

    known: Tensor
    place: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.known = nn.Buffer(torch.empty(0, dtype=torch.long), persistent=False)
        self.place = nn.Buffer(torch.empty(0, dtype=torch.long), persistent=False)

    def prepare(self, catalog: Catalog) -> None:
        """Takes in which items have a training event."""
        met = torch.from_numpy(catalog.popularity.copy()) > 0
        met[0] = False
        self.known = torch.nonzero(met).flatten()
        self.place = met.long().cumsum(0) - 1

    def negatives(self, target: Tensor) -> None:
        """All known items are scored."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (N + 1, D), (P,) -> scalar."""
        if not len(self.known):
            return F.cross_entropy(queries @ keys[1:].T, target - 1)
        return F.cross_entropy(queries @ keys[self.known].T, self.place[target])

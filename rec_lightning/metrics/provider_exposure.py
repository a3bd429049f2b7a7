"""Provider exposure ratio: places per training event of the least shown provider by those of the most shown one.

1 when every provider is shown in proportion to its events, 0 when one is never shown. Paper: A. Singh and T. Joachims,
"Fairness of Exposure in Rankings", KDD 2018, https://arxiv.org/abs/1802.07281 (disparate treatment). What differs: all
places count alike, merit is the number of training events, and the ratio is that of the two extremes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog
from rec_lightning.metrics.by_exposure import ByExposure
from rec_lightning.metrics.columns import groups_of


class ProviderExposure(ByExposure):
    """The ratio at all k at once; items without a provider and providers without events are left out.

    Args:
        catalog: the items and their popularity in training.
        top_k: positive cut-offs.
        column: of the item table, the provider.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    name = "provider_exposure"
    key = "provider_exposure"
    provider: Tensor

    def __init__(self, catalog: Catalog, top_k: Sequence[int], column: str) -> None:
        super().__init__(catalog, top_k)
        names, provider = groups_of("provider_exposure", catalog.items, column)
        self.providers = len(names)
        self.provider = nn.Buffer(provider, persistent=False)

    def value(self, shown: Tensor) -> Tensor:
        """The least of places by events, divided by the largest."""
        inside = self.provider >= 0
        places, events = shown.new_zeros(self.providers), shown.new_zeros(self.providers)
        places.index_add_(0, self.provider[inside], shown[inside])
        events.index_add_(0, self.provider[inside], self.popularity[inside])
        each = places[events > 0] / events[events > 0]
        return each.min() / each.max() if len(each) else shown.new_tensor(torch.nan)

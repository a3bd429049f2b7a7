"""Items as what is known of them: categories, lists such as genres, and numbers, by the columns of the item table.

Every distinct value has a learnt vector, as in the wide tables of F. Guo et al., "DeepFM: A Factorization-Machine based
Neural Network for CTR Prediction", IJCAI 2017, https://arxiv.org/abs/1703.04247; what differs: an item is the sum of
these vectors, without an interaction layer, since the backbone comes after.

Relations: ``text`` reads such columns as words; ``id_features`` adds a vector of the item's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from rec_lightning.contracts import PAD, Catalog
from rec_lightning.items.feature_columns import Transform
from rec_lightning.items.feature_table import FeatureTable

# M items asked for, N items, D width


class FeatureItems(nn.Module):
    """The sum of the vectors of an item's features.

    Args:
        catalog: whose item table has the columns.
        width: D.
        categories: columns with one value an item.
        lists: columns with any number of values.
        numbers: column -> ``standardise``, ``log1p`` or ``buckets``.
        buckets: how many; equally filled.
        min_count: values of fewer items share the vector of unknown ones.
        max_distinct: largest share of different values in a category; above it, it is refused as an id.

    Raises:
        ValueError: see ``FeatureTable``.
    """

    pretrained = False

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        categories: Sequence[str] = (),
        lists: Sequence[str] = (),
        numbers: Mapping[str, Transform] | None = None,
        buckets: int = 10,
        min_count: int = 1,
        max_distinct: float = 0.5,
    ) -> None:
        super().__init__()
        self.width, self.size = width, catalog.size
        table = FeatureTable(catalog.items, width, categories, lists, numbers, buckets, min_count, max_distinct)
        self.base = {"name": "features", "values": table.fingerprint} if catalog.size else {}
        self.features: nn.Module = table

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: all of it."""
        return self.features

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.features = module

    def extend(self, catalog: Catalog) -> None:
        """Reads the features of another catalogue; a value that was not there has the vector of unknown ones.

        Raises:
            ValueError: it lacks a column.
        """
        self.features.encode(catalog.items)  # type: ignore[operator]
        self.size = catalog.size

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D); the padding gives zeros."""
        out: Tensor = self.features((items - 1).clamp(min=0))
        return out * (items > PAD).unsqueeze(1)

    def table(self) -> Tensor:
        """(N + 1, D)."""
        return nn.functional.pad(self.features(torch.arange(self.size, device=self._device)), (0, 0, 1, 0))

    @property
    def _device(self) -> torch.device:
        return next(self.features.parameters()).device

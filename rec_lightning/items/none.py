"""No vectors of items: for backbones that read items as words.

Relations: ``text`` makes vectors from words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Kind

# M items asked for, N items


class NoItems(nn.Module):
    """Vectors of width 0.

    Args:
        catalog: gives the number of items.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")
    pretrained = False
    width = 0
    device_of: Tensor

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self.size = catalog.size
        self.nothing = nn.ModuleList()
        self.register_buffer("device_of", torch.empty(0), persistent=False)

    @property
    def trunk(self) -> nn.Module:
        """Empty."""
        return self.nothing

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.nothing = module  # type: ignore[assignment]

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, 0)."""
        return self.device_of.new_empty(len(items), 0)

    def table(self) -> Tensor:
        """(N + 1, 0)."""
        return self.device_of.new_empty(self.size + 1, 0)

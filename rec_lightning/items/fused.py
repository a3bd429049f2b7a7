"""Several descriptions of an item as one vector: the sum or the projected concatenation of their vectors.

Relations: ``conf/items/id_text.yaml`` fuses ``id`` and ``text``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, ItemEncoder

# M items asked for, N items, D width


class FusedItems(nn.Module):
    """The fusion of at least two item encoders.

    Args:
        catalog: handed to each part.
        width: D, of each part and of the result.
        parts: name -> a factory called with ``catalog`` and ``width``.
        fusion: ``sum``, or ``concat`` followed by a linear layer.

    Raises:
        ValueError: fewer than two parts.
    """

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        parts: Mapping[str, Callable[..., ItemEncoder]],
        fusion: Literal["sum", "concat"] = "sum",
    ) -> None:
        super().__init__()
        if len(parts) < 2:
            raise ValueError(f"items.parts must name at least two encoders, got {list(parts)}. Set items.parts.")
        self.width, self.size = width, catalog.size
        built = {name: part(catalog=catalog, width=width) for name, part in parts.items()}
        self.parts = nn.ModuleDict({name: part for name, part in built.items() if isinstance(part, nn.Module)})
        self.mix = nn.Linear(width * len(parts), width, bias=False) if fusion == "concat" else None
        # new parts always train; only if none is pretrained are they what a method touches
        touched = [name for name, part in built.items() if part.pretrained]
        self.pretrained, self.touched = bool(touched), touched or list(built)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the trunks of the pretrained parts, else of all."""
        return nn.ModuleDict({name: self._part(name).trunk for name in self.touched})

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        assert isinstance(module, nn.ModuleDict)
        for name in self.touched:
            self._part(name).set_trunk(module[name])

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        return self._fuse([self._part(name).vectors(items) for name in self.parts])

    def table(self) -> Tensor:
        """(N + 1, D)."""
        return self._fuse([self._part(name).table() for name in self.parts])

    def _part(self, name: str) -> ItemEncoder:
        return self.parts[name]  # type: ignore[return-value]

    def _fuse(self, vectors: list[Tensor]) -> Tensor:
        if self.mix is None:
            return torch.stack(vectors).sum(0)
        out: Tensor = self.mix(torch.cat(vectors, -1))
        return out

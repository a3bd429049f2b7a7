"""Several descriptions of an item as one vector: their sum, their projected concatenation, or a gated mean.

The gate is that of J. Arevalo et al., "Gated Multimodal Units for Information Fusion", ICLR 2017 workshop,
https://arxiv.org/abs/1702.01992; what differs: a softmax over the parts, so that any number can take part, and no tanh
before it. It starts as the plain mean.

Relations: ``conf/items/id_text.yaml`` fuses ``id`` and ``text``; ``+items@items.parts.NAME=CHOICE`` adds any choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, ItemEncoder

# M items asked for, N items, K parts, D width, B events


class FusedItems(nn.Module):
    """The fusion of at least two item encoders.

    Args:
        catalog: handed to each part.
        width: D, of each part and of the result.
        parts: name -> a factory called with ``catalog`` and ``width``. Weights carry the name of their part.
        fusion: ``sum``; ``concat`` followed by a linear layer; or ``gate``, which weighs the parts for each dimension
            of each item by a softmax over a linear map of all.

    Raises:
        ValueError: fewer than two parts, or a name that a weight cannot carry.
    """

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        parts: Mapping[str, Callable[..., ItemEncoder]],
        fusion: Literal["sum", "concat", "gate"] = "sum",
    ) -> None:
        super().__init__()
        if len(parts) < 2:
            raise ValueError(f"items.parts must name at least two encoders, got {list(parts)}. Set items.parts.")
        for name in parts:
            if hasattr(nn.ModuleDict, name) or "." in name:
                raise ValueError(f"items.parts must have names that are free in PyTorch, got {name!r}. Rename it.")
        self.width, self.size, self.fusion = width, catalog.size, fusion
        built = {name: part(catalog=catalog, width=width) for name, part in parts.items()}
        self.parts = nn.ModuleDict({name: part for name, part in built.items() if isinstance(part, nn.Module)})
        wide = width * len(parts)
        self.mix = nn.Linear(wide, width, bias=False) if fusion == "concat" else None
        self.gate = nn.Linear(wide, wide) if fusion == "gate" else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)
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

    def extend(self, catalog: Catalog) -> None:
        """Another catalogue for each part.

        Raises:
            ValueError: a part has learnt a row for each item.
        """
        for name, part in self.parts.items():
            if not hasattr(part, "extend"):
                raise ValueError(
                    f"items.parts.{name} ({type(part).__name__}) has learnt a row for each item of its catalogue, so "
                    "it says nothing of another one. Train with items whose vectors come from the item table alone "
                    "(items=text or items=features)."
                )
            part.extend(catalog)  # type: ignore[operator]
        self.size = catalog.size

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        return self._fuse([self._part(name).vectors(items) for name in self.parts])

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Columns of the events that parts read."""
        return tuple(column for part in self.parts.values() for column in getattr(part, "event_columns", ()))

    def asked(self, event: Tensor) -> Tensor:
        """(B,) rows of ``Catalog.events`` -> (B, D), the sum over the parts that read queries; no fusion."""
        found = [part.asked(event) for part in self.parts.values() if getattr(part, "event_columns", ())]  # type: ignore[operator]
        return torch.stack(found).sum(0)

    @property
    def reader(self) -> nn.Module | None:
        """The part that reads texts; None without one."""
        return next((part for part in self.parts.values() if hasattr(part, "read")), None)

    def read(self, items: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """What the vectors would be if these were the texts' tokens: (n,), (n, T), (n, T) -> (n, D).

        Raises:
            ValueError: no part reads texts, or more than one does.
        """
        reads = [name for name, part in self.parts.items() if hasattr(part, "read")]
        if len(reads) != 1:
            raise ValueError(f"words can be weighed where one part of the items reads texts, got {reads}. Set run.")
        return self._fuse(
            [
                part.read(items, ids, mask) if name in reads else part.vectors(items)  # type: ignore[operator]
                for name, part in self.parts.items()
            ]
        )

    def table(self) -> Tensor:
        """(N + 1, D)."""
        return self._fuse([self._part(name).table() for name in self.parts])

    def _part(self, name: str) -> ItemEncoder:
        return self.parts[name]  # type: ignore[return-value]

    def _fuse(self, vectors: list[Tensor]) -> Tensor:
        # the padding is zero in all parts, and stays so in each way
        if self.mix is not None:
            mixed: Tensor = self.mix(torch.cat(vectors, -1))
            return mixed
        stacked = torch.stack(vectors)  # (K, M, D)
        if self.gate is None:
            return stacked.sum(0)
        weights = self.gate(torch.cat(vectors, -1)).unflatten(-1, (len(vectors), self.width)).softmax(-2)  # (M, K, D)
        gated: Tensor = (weights.transpose(0, 1) * stacked).sum(0)
        return gated

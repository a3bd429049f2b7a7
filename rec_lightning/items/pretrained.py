"""Items as vectors that were learnt elsewhere (text, images, a graph), normalised and projected to the width.

The vectors are the trunk: frozen under ``tuning=frozen``, and then not in the checkpoint; trained under
``tuning=full``. Normalisation and projection are new and always train.

Relations: ``text`` without its language model; ``text_init`` starts ids from such vectors and keeps no projection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rec_lightning.contracts import PAD, Catalog
from rec_lightning.items.catalogue import catalogue
from rec_lightning.items.id import spare_padding

# M items asked for, N items, H width of the vectors, D width of the model


class PretrainedItems(nn.Module):
    """Vector -> layer norm -> projection.

    Args:
        catalog: the items.
        width: D.
        vectors: catalogue -> (N, H), such as a ``VectorFile``.

    Raises:
        ValueError: the vectors do not fit the catalogue.
        FileNotFoundError: they are not there.
    """

    pretrained = True

    def __init__(self, catalog: Catalog, width: int, vectors: Callable[[Catalog], Tensor]) -> None:
        super().__init__()
        self.width, self.size = width, catalog.size
        found = vectors(catalog)
        self.base = catalogue(catalog)
        if catalog.size and not found.is_meta:
            self.base["vectors"] = hashlib.sha256(found.numpy().tobytes()).hexdigest()
        rows = nn.functional.pad(found.to(torch.get_default_device()), (0, 0, 1, 0))
        self.embedding: nn.Module = nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=PAD)
        self.embedding.get_parameter("weight").register_post_accumulate_grad_hook(spare_padding)
        self.norm = nn.LayerNorm(rows.shape[1])
        self.projection = nn.Linear(rows.shape[1], width)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the vectors."""
        return self.embedding

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.embedding = module

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D); the padding gives zeros."""
        out: Tensor = self.projection(self.norm(self.embedding(items)))
        return out * (items > PAD).unsqueeze(1)

    def table(self) -> Tensor:
        """(N + 1, D)."""
        return self.vectors(torch.arange(self.size + 1, device=self.projection.weight.device))

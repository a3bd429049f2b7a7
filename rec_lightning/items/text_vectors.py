"""Vectors of items from their texts, by a language model that is run once ever and then forgotten.

Relations: ``text`` keeps the model and may tune it; ``vector_file`` reads vectors made elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Catalog
from rec_lightning.items.text import Pooling, TextItems


class TextVectors:
    """Pooled last-layer vectors, from the cache on disk where they were computed before.

    Args:
        model: folder or hub name of the language model.
        template: the text of an item, with ``{column}`` fields.
        pooling: ``mean`` over the real tokens, the first token (``cls``) or the last real one (``last``).
        max_tokens: longer texts are cut.
        chunk_tokens: tokens encoded at once; null for what suits the device (see ``tokens``).
    """

    def __init__(
        self,
        model: str = "sentence-transformers/all-MiniLM-L6-v2",
        template: str = "{title}",
        pooling: Pooling = "mean",
        max_tokens: int = 64,
        chunk_tokens: int | None = None,
    ) -> None:
        self.model, self.template, self.pooling = model, template, pooling
        self.max_tokens, self.chunk_tokens = max_tokens, chunk_tokens
        self.choice: str | None = None

    def __call__(self, catalog: Catalog) -> Tensor:
        """(N, H) float32; on the meta device nothing is encoded.

        Raises:
            ValueError: a value out of range, or a template that does not fit the item table.
            FileNotFoundError: the model cannot be had.
        """
        with torch.random.fork_rng(devices=[]):  # the projection that is thrown away draws from another stream
            reader = TextItems(
                catalog,
                1,
                self.model,
                self.template,
                self.pooling,
                self.max_tokens,
                fresh=None,
                chunk_tokens=self.chunk_tokens,
            )
        self.choice = reader.choice
        if reader.projection.weight.is_meta:
            return torch.empty(catalog.size, reader.projection.in_features)
        reader.encoder.requires_grad_(False)
        return reader.pooled(torch.arange(catalog.size + 1))[1:]

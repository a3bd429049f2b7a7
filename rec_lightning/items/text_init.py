"""Ids that start from a language model's vectors: as cheap as ids, and no language model once training begins.

Papers: J. Harte et al., "Leveraging Large Language Models for Sequential Recommendation", RecSys 2023,
https://arxiv.org/abs/2309.09261; A. Boz et al., "Improving Sequential Recommendations with LLMs", 2024,
https://arxiv.org/abs/2402.01339. What differs from their code: whitening beside PCA, and the start is scaled to the
spread of the usual random one, where theirs gives each vector the length 1. Their control is ``permute``: the same
vectors, each given to another item, so that what is left is their distribution without their meaning.

Relations: ``id`` starts at random; ``pretrained`` keeps the vectors and learns a projection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from rec_lightning.contracts import Catalog
from rec_lightning.items.id import IdItems

# N items, H width of the vectors, D width of the model, R directions kept

Reduction = Literal["whitening", "pca"]


class InitialisedItems(IdItems):
    """An embedding table that starts from given vectors, reduced to its width.

    Args:
        catalog: the items.
        width: D; directions beyond those the vectors have keep a random start.
        vectors: catalogue -> (N, H), such as ``TextVectors`` or a ``VectorFile``.
        reduction: ``pca`` keeps how much the directions differ, ``whitening`` makes all equal.
        std: standard deviation of the initial vectors.
        permute: gives each vector to another item at random; the control experiment.
        seed: of the permutation.
    """

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        vectors: Callable[[Catalog], Tensor],
        reduction: Reduction = "whitening",
        std: float = 0.02,
        permute: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(catalog, width, std)
        found = vectors(catalog)
        if found.is_meta or not catalog.size:
            return
        self.choice = getattr(vectors, "choice", None)  # no vector starts at zero
        start = reduce(found, width, reduction)
        if permute:
            order = torch.randperm(catalog.size, generator=torch.Generator().manual_seed(seed), device="cpu")
            start = start[order]
        with torch.no_grad():
            self.embedding.weight[1:, : start.shape[1]] = start * (std / start.std())


def reduce(vectors: Tensor, width: int, reduction: Reduction) -> Tensor:
    """(N, H) -> (N, R) principal components, R at most ``width`` and the rank; whitened ones have variance 1.

    Computed in double precision, the largest entry of each direction positive, so that every machine gives the same.

    Raises:
        ValueError: all vectors are equal.
    """
    centred = vectors.double() - vectors.double().mean(0)
    spread, directions = torch.linalg.eigh(centred.T @ centred / len(vectors))  # ascending
    spread, directions = spread.flip(0)[:width], directions.flip(1)[:, :width]
    kept = spread > max(1e-10 * float(spread[0]), 1e-20)  # single precision says nothing below
    if not kept.any():
        raise ValueError("the vectors of all items are equal, so they tell nothing. Set items.vectors.")
    spread, directions = spread[kept], directions[:, kept]
    directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
    out: Tensor = centred @ directions
    out = out / spread.sqrt() if reduction == "whitening" else out
    return out.float()

"""Autoencoder of the interaction vector: a user is a bag of items, squeezed through a narrow code.

Papers: D. Liang, R. G. Krishnan, M. D. Hoffman and T. Jebara, "Variational Autoencoders for Collaborative Filtering",
WWW 2018, https://arxiv.org/abs/1802.05814 (items -> 600 -> 200 -> 600 -> items, and the denoising one, items -> 200 ->
items). The first layer are the item vectors themselves, so that the width is that of the first layer and any item
encoder will do. What differs: an item that repeats counts each time; the state of position t is that of the bag up to
t, so that any task that asks for every position can use it too.

Relations: the task ``autoencoder`` trains it on whole interaction vectors and adds what is variational;
``mean_pooling`` is a bag without a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout
from rec_lightning.contracts import Batch

# B batch, L length, D width, K width of the code, M rows of the vectors


class Autoencoder(nn.Module):
    """Bag of unit length, tanh, code, tanh.

    Args:
        width: D, of the item vectors and the states; the first and the last hidden layer.
        latent: K, width of the code; null leaves out both inner layers, so that the first hidden layer is the state.
        dropout: probability in [0, 1) with which an item of the bag is hidden in training.

    Raises:
        ValueError: a value out of range.
    """

    pretrained = False

    def __init__(self, width: int, latent: int | None = 200, dropout: float = 0.5) -> None:
        super().__init__()
        if latent is not None and latent < 1:
            raise ValueError(f"backbone.latent must be at least 1, got {latent}. Set backbone.latent, or null.")
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        self.latent, self.dropout = latent, Dropout(dropout)
        self.layers = _Layers(width, latent)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: all layers but the items."""
        return self.layers

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.layers = module  # type: ignore[assignment]

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D), each state that of the bag of items so far."""
        kept = self.dropout(item_vectors.new_ones(*item_vectors.shape[:2], 1))
        count = torch.arange(1, item_vectors.shape[1] + 1, device=item_vectors.device, dtype=item_vectors.dtype)
        bags = (item_vectors * kept).cumsum(1) / count.sqrt().unsqueeze(1)
        return self.decode(self.code(self.hidden(bags)))

    def bag(self, history: Tensor, vectors: Tensor) -> Tensor:
        """(B, L) rows of vectors right-padded with 0, (M, D) -> (B, D), items hidden by chance in training."""
        weight = self.dropout((history > 0).to(vectors.dtype))
        weight = weight / (history > 0).sum(1, keepdim=True).clamp(min=1).sqrt()
        return F.embedding_bag(history, vectors, mode="sum", per_sample_weights=weight)

    def hidden(self, bag: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return torch.tanh(bag + self.layers.bias)

    def code(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., K)."""
        return hidden if self.latent is None else self.layers.inward(hidden)

    def decode(self, code: Tensor) -> Tensor:
        """(..., K) -> (..., D)."""
        return code if self.latent is None else torch.tanh(self.layers.outward(code))


class _Layers(nn.Module):
    def __init__(self, width: int, latent: int | None) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        if latent is not None:
            self.inward, self.outward = nn.Linear(width, latent), nn.Linear(latent, width)
            for layer in (self.inward, self.outward):
                nn.init.xavier_normal_(layer.weight)
                nn.init.trunc_normal_(layer.bias, std=0.001)

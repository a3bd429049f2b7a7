"""Scores as the inner product of state and item vector, as in SASRec and most sequence models."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DotHead(nn.Module):
    """``queries @ keys.T``, optionally of unit vectors divided by a temperature.

    Args:
        normalize: cosine in place of the inner product.
        temperature: the scores are divided by it; positive.
    """

    def __init__(self, normalize: bool = False, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"head.temperature must be positive, got {temperature}. Set head.temperature.")
        self.normalize, self.temperature = normalize, temperature

    def queries(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return (F.normalize(states, dim=-1) if self.normalize else states) / self.temperature

    def keys(self, item_vectors: Tensor) -> Tensor:
        """(M, D) -> (M, D)."""
        return F.normalize(item_vectors, dim=-1) if self.normalize else item_vectors

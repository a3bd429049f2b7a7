"""Several kinds of negatives together, each with its share.

Paper: J. Yang et al., "Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations", WWW 2020
Companion, https://doi.org/10.1145/3366424.3386195. What differs: any kinds, not just the batch and uniform; and a
negative's rate counts all kinds that could have drawn it, so that the corrected sum stays without bias.

Relations: the parts are ``uniform``, ``popularity`` and ``in_batch``, or one of another package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from rec_lightning.losses.negatives.draws import Sampler

# P positions, K negatives


class Mixed(nn.Module):
    """Negatives of several kinds.

    Args:
        parts: kinds by name.
        shares: of each, positive; they sum to 1.

    Raises:
        ValueError: shares and parts do not go together.
    """

    def __init__(self, parts: Mapping[str, Sampler], shares: Mapping[str, float]) -> None:
        super().__init__()
        if set(parts) != set(shares):
            raise ValueError(
                f"loss.negatives.shares must name the parts ({', '.join(parts)}), got {', '.join(shares)}. "
                "Set loss.negatives.shares."
            )
        if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise ValueError(
                f"loss.negatives.shares must be positive and sum to 1, got {dict(shares)}. Set loss.negatives.shares."
            )
        self.shares = dict(shares)
        self.parts = nn.ModuleDict({name: cast(nn.Module, parts[name]) for name in shares})

    def prepare(self, popularity: Tensor, count: int, shared: bool) -> None:
        """Splits the count.

        Raises:
            ValueError: it is too small for the shares.
        """
        ends = [round(count * end) for end in torch.tensor(list(self.shares.values())).cumsum(0).tolist()]
        counts = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
        if min(counts) < 1:
            given = ", ".join(f"{name} {n}" for name, n in zip(self.shares, counts, strict=True))
            raise ValueError(
                f"loss.count must give every part of loss.negatives at least 1, got {count} ({given}). Set loss.count."
            )
        for part, number in zip(self._parts(), counts, strict=True):
            part.prepare(popularity, number, shared)

    def draw(self, target: Tensor) -> Tensor:
        """(P,) -> (K,) or (P, K)."""
        return torch.cat([part.draw(target) for part in self._parts()], -1)

    def rate(self, items: Tensor, target: Tensor) -> Tensor:
        """(K,) or (P, K) -> the same."""
        return torch.stack([part.rate(items, target) for part in self._parts()]).sum(0)

    def _parts(self) -> list[Sampler]:
        return cast("list[Sampler]", list(self.parts.values()))

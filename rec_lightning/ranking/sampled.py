"""Scores -> the rank of each target among some drawn items: a protocol of older papers, here to be compared with.

Paper: W. Krichene and S. Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020,
https://doi.org/10.1145/3394486.3403226: it can put models in another order than the full ranking does, so every
metric's key carries ``sampled``. The draw by popularity is that of F. Sun et al., "BERT4Rec", CIKM 2019,
https://arxiv.org/abs/1904.06690, section 4.2. What differs: items are drawn without replacement, by exponential races
(P. Efraimidis and P. Spirakis, "Weighted random sampling with a reservoir", IPL 97(5), 2006).

Each pair of target and item gets its random number from a hash of (seed, user, target, item), so that the same items
are drawn whatever the model, the batch size and the number of processes.

Relations: ``topk`` ranks the whole catalogue; use it for any result.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.hashing import mixed, uniform
from rec_lightning.ranking.topk import check_finite

# B batch, N items, D width, C candidates: the target and the drawn items

_PAIRS = 1 << 22  # numbers of one draw at once, to bound the memory


class Sampled:
    """Ranks each target among drawn items that the user does not have.

    Args:
        catalog: gives the number of items and their popularity in the training part.
        negatives: items drawn for each target; fewer where the user has fewer left.
        by: ``uniform``, or ``popular``: with probabilities as the training events have it, never one without.
        k: items kept for each target, 1..negatives + 1.
        seed: of the draw.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(
        self,
        catalog: Catalog,
        negatives: int = 100,
        by: Literal["uniform", "popular"] = "uniform",
        k: int = 20,
        seed: int = 0,
    ) -> None:
        if negatives < 1:
            raise ValueError(f"ranking.negatives must be at least 1, got {negatives}. Set ranking.negatives.")
        if not 1 <= k <= negatives + 1:
            raise ValueError(f"ranking.k must be 1..ranking.negatives + 1 ({negatives + 1}), got {k}. Set ranking.k.")
        self.negatives, self.k, self.seed = negatives, k, seed
        self.prefix = f"sampled_{by}{negatives}_"
        weight = np.ones(catalog.size + 1) if by == "uniform" else catalog.popularity.astype(np.float64)
        weight[0] = 0
        self._weight = torch.from_numpy(weight)  # (N + 1,); an item without weight is never drawn

    def check(self, catalog_size: int) -> None:
        """Refuses more negatives than there are other items.

        Raises:
            ValueError: the catalogue is too small.
        """
        if self.negatives >= catalog_size:
            raise ValueError(
                f"ranking.negatives must be below the catalogue size ({catalog_size}), got {self.negatives}. "
                "Set ranking.negatives."
            )

    def __call__(self, batch: Batch, queries: Tensor, keys: Tensor) -> Ranking:
        """Ranks by ``queries @ keys.T``.

        Args:
            batch: users (B,), targets (B,) and seen items.
            queries: (B, D).
            keys: (N + 1, D); row 0 is the padding.

        Raises:
            ValueError: a score is not finite.
        """
        candidates = self.candidates(batch)
        with torch.autocast(queries.device.type, enabled=False):
            # a product and a sum, so that equal vectors score equal to the last bit and tie
            scores = (queries.float().unsqueeze(1) * keys[candidates].float()).sum(2)
        return self._ranked(batch, candidates, scores)

    def from_scores(self, batch: Batch, scores: Tensor) -> Ranking:
        """Ranks scores that exist already: (B, N + 1), column 0 ignored.

        Raises:
            ValueError: a score is not finite.
        """
        candidates = self.candidates(batch)
        return self._ranked(batch, candidates, scores.gather(1, candidates))

    def _ranked(self, batch: Batch, candidates: Tensor, scores: Tensor) -> Ranking:
        scores = scores.where(candidates > 0, 0.0)
        check_finite(scores)
        scores = scores.where(candidates > 0, -torch.inf)
        above = (scores[:, 1:] >= scores[:, :1]).sum(1)
        top, place = scores.topk(min(self.k, scores.shape[1]), dim=1)
        return Ranking(batch.user, candidates.gather(1, place), top.float(), batch.target, above + 1)

    def candidates(self, batch: Batch) -> Tensor:
        """(B, 1 + negatives) item indices: the target first, then the drawn ones; 0 where there are fewer."""
        if self._weight.device != batch.target.device:
            self._weight = self._weight.to(batch.target.device)
        free = self._weight.expand(len(batch), -1).clone()  # (B, N + 1) 0 where an item must not be drawn
        free.scatter_(1, batch.target.unsqueeze(1), 0)
        if batch.seen is not None and batch.seen_offsets is not None:
            row = torch.repeat_interleave(torch.arange(len(batch), device=free.device), batch.seen_offsets.diff())
            free[row, batch.seen] = 0
        rows = max(1, _PAIRS // free.shape[1])
        parts = zip(batch.user.split(rows), batch.target.split(rows), free.split(rows), strict=True)
        return torch.cat([batch.target.unsqueeze(1), torch.cat([self._draw(*part) for part in parts])], 1)

    def _draw(self, user: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        own = mixed(mixed(mixed(torch.full_like(user, self.seed)) + user) + target)
        item = mixed(torch.arange(weight.shape[1], device=user.device))
        arrival = -torch.log(uniform(mixed(own.unsqueeze(1) + item))) / weight  # the first to arrive are drawn
        first, drawn = arrival.topk(min(self.negatives, weight.shape[1]), dim=1, largest=False)
        return torch.where(torch.isfinite(first), drawn, 0)

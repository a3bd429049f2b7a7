"""Scores -> the exact rank of each target over the whole catalogue, and the top k.

The rank is counted, not sorted: 1 + the other candidates that score at least as high, so an exact tie counts against
the target and item numbers never decide. Seen items are no candidates; the target always is, seen or not. Scores are
made for a chunk of items at a time, so memory is users of a batch x ``chunk``, whatever the catalogue.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Ranking

# B batch, N items, D width, C items of a chunk


class TopK:
    """Ranks a batch.

    Args:
        k: items kept for each user; fewer where the catalogue has fewer left.
        exclude_seen: leave out what the user already has (the target stays a candidate).
        chunk: items scored at once.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, k: int = 20, exclude_seen: bool = True, chunk: int = 65536) -> None:
        for name, value in (("k", k), ("chunk", chunk)):
            if value < 1:
                raise ValueError(f"ranking.{name} must be at least 1, got {value}. Set ranking.{name}.")
        self.k, self.exclude_seen, self.chunk = k, exclude_seen, chunk

    def check(self, catalog_size: int) -> None:
        """Refuses a k that the catalogue cannot fill.

        Raises:
            ValueError: k is larger than the catalogue.
        """
        if self.k > catalog_size:
            raise ValueError(f"ranking.k must be 1..catalogue size ({catalog_size}), got {self.k}. Set ranking.k.")

    def __call__(self, batch: Batch, queries: Tensor, keys: Tensor) -> Ranking:
        """Ranks by ``queries @ keys.T``.

        Args:
            batch: targets (B,) and seen items.
            queries: (B, D).
            keys: (N + 1, D); row 0 is the padding.

        Raises:
            ValueError: a score is NaN.
        """
        aim = (queries * keys[batch.target]).sum(1)
        parts = [self._part(batch, queries @ c.T, first, aim) for first, c in self._split(keys)]
        return self._join(batch, parts)

    def from_scores(self, batch: Batch, scores: Tensor) -> Ranking:
        """Ranks scores that exist already: (B, N + 1), column 0 ignored."""
        aim = scores.gather(1, batch.target.unsqueeze(1)).squeeze(1)
        return self._join(batch, [self._part(batch, scores.clone(), 0, aim)])

    def _split(self, keys: Tensor) -> list[tuple[int, Tensor]]:
        return list(zip(range(0, len(keys), self.chunk), keys.split(self.chunk), strict=True))

    def _part(self, batch: Batch, scores: Tensor, first: int, aim: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # (B, C) scores of items first.. -> top scores, top items, candidates at or above the target
        if torch.isnan(scores).any() or torch.isnan(aim).any():
            raise ValueError("a score is NaN: the model diverged. Lower optimizer.lr or set trainer.gradient_clip_val.")
        if first == 0:
            scores[:, 0] = -torch.inf
        if self.exclude_seen and batch.seen is not None and batch.seen_offsets is not None:
            row = torch.repeat_interleave(torch.arange(len(batch), device=scores.device), batch.seen_offsets.diff())
            column = batch.seen - first
            keep = (column >= 0) & (column < scores.shape[1])
            scores[row[keep], column[keep]] = -torch.inf
        own = batch.target - first
        inside = (own >= 0) & (own < scores.shape[1])
        # the large product may round otherwise than the target's own; one value for both, seen or not
        scores[inside, own[inside]] = aim[inside]
        above = (scores >= aim.unsqueeze(1)).sum(1)
        top, item = scores.topk(min(self.k, scores.shape[1]), dim=1)
        return top, torch.where(top > -torch.inf, item + first, 0), above

    def _join(self, batch: Batch, parts: list[tuple[Tensor, Tensor, Tensor]]) -> Ranking:
        scores, items, above = (list(x) for x in zip(*parts, strict=True))
        top, place = torch.cat(scores, 1).topk(min(self.k, sum(s.shape[1] for s in scores)), dim=1)
        item = torch.cat(items, 1).gather(1, place)
        # the target itself is among those at or above it
        return Ranking(batch.user, item, top.float(), batch.target, torch.stack(above).sum(0))

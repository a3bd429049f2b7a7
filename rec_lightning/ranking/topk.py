"""Scores -> the exact rank of each target over the whole catalogue, and the top k.

The rank is counted, not sorted: 1 + the other candidates that score at least as high, so an exact tie counts against
the target and item numbers never decide. Seen items are no candidates; the target always is, seen or not. Scores are
made for a chunk of items and a few users at a time, so that they stay in a processor's cache, and memory is bounded
whatever the catalogue. The target's
own score comes from the same product as the others': computed apart it differs in the last bits, and two items with
equal vectors would no longer tie. So a catalogue of more than one chunk is scored twice. Scores are float32 under
autocast too, since few users would have a target without ties in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Ranking

# B batch, N items, D width, C items of a chunk

_EXACT = 1 << 24  # whole numbers that float32 tells apart


class TopK:
    """Ranks a batch.

    Args:
        k: items kept for each user; fewer where the catalogue has fewer left.
        exclude_seen: leave out what the user already has (the target stays a candidate).
        chunk: items scored at once.

    Raises:
        ValueError: a value out of range.
    """

    prefix = ""  # of the metrics' keys

    def __init__(self, k: int = 20, exclude_seen: bool = True, chunk: int = 65536) -> None:
        for name, value in (("k", k), ("chunk", chunk)):
            if value < 1:
                raise ValueError(f"ranking.{name} must be at least 1, got {value}. Set ranking.{name}.")
        if chunk > _EXACT:
            raise ValueError(f"ranking.chunk must be at most {_EXACT}, got {chunk}. Set ranking.chunk.")
        self.k, self.exclude_seen, self.chunk = k, exclude_seen, chunk

    def without_lists(self) -> TopK:
        """One that gives ranks only, its lists empty: all that most metrics read, in a third of the time."""
        ranks = copy(self)
        ranks.k = 0
        return ranks

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
            ValueError: a score is not finite.
        """
        rows = _cached_rows(min(self.chunk, len(keys)), queries.device.type)
        with torch.no_grad(), torch.autocast(queries.device.type, enabled=False):
            keys = keys.float()
            parts = zip(rows_of(batch, rows), queries.float().split(rows), strict=True)
            return Ranking.cat([self._block(part, own, keys) for part, own in parts])

    def _block(self, batch: Batch, queries: Tensor, keys: Tensor) -> Ranking:
        chunks = keys.split(self.chunk)
        if len(chunks) == 1:
            return self._whole(batch, queries @ keys.T)
        starts = range(0, len(keys), self.chunk)
        aim = queries.new_empty(len(batch))
        for first, chunk in zip(starts, chunks, strict=True):
            inside, own = _columns(batch, first, len(chunk))
            aim[inside] = (queries @ chunk.T)[inside, own]
        parts = [self._part(batch, queries @ chunk.T, first, aim) for first, chunk in zip(starts, chunks, strict=True)]
        return self._join(batch, parts)

    def from_scores(self, batch: Batch, scores: Tensor) -> Ranking:
        """Ranks scores that exist already: (B, N + 1), column 0 ignored.

        Raises:
            ValueError: a score is not finite.
        """
        return self._whole(batch, scores.clone())

    def _whole(self, batch: Batch, scores: Tensor) -> Ranking:
        # (B, N + 1), written over
        aim = scores.gather(1, batch.target.unsqueeze(1)).squeeze(1)
        return self._join(batch, [self._part(batch, scores, 0, aim, whole=True)])

    def _part(
        self, batch: Batch, scores: Tensor, first: int, aim: Tensor, whole: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        # (B, C) scores of items first.. -> top scores, top items, candidates at or above the target
        check_finite(scores)
        if first == 0:
            scores[:, 0] = -torch.inf
        if self.exclude_seen and batch.seen is not None and batch.seen_offsets is not None:
            row = torch.repeat_interleave(torch.arange(len(batch), device=scores.device), batch.seen_offsets.diff())
            column = batch.seen - first
            if not whole:
                keep = (column >= 0) & (column < scores.shape[1])
                row, column = row[keep], column[keep]
            scores[row, column] = -torch.inf
        inside, own = _columns(batch, first, scores.shape[1])
        scores[inside, own] = aim[inside]  # it may have been seen
        # ones and zeros as float32: their sum is exact up to 2**24 and several times as fast as that of bools
        above = torch.ge(scores, aim.unsqueeze(1), out=torch.empty_like(scores, dtype=torch.float32)).sum(1).long()
        if self.k == 0:
            return scores[:, :0], batch.target.new_empty(len(batch), 0), above
        top, item = largest(scores, min(self.k, scores.shape[1]))
        return top, torch.where(top > -torch.inf, item + first, 0), above

    def _join(self, batch: Batch, parts: list[tuple[Tensor, Tensor, Tensor]]) -> Ranking:
        if len(parts) == 1:
            top, item, above = parts[0]
            return Ranking(batch.user, item, top.float(), batch.target, above)
        scores, items, several = (list(x) for x in zip(*parts, strict=True))
        top, place = torch.cat(scores, 1).topk(min(self.k, sum(s.shape[1] for s in scores)), dim=1)
        item = torch.cat(items, 1).gather(1, place)
        # the target itself is among those at or above it
        return Ranking(batch.user, item, top.float(), batch.target, torch.stack(several).sum(0))


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, best first: values and columns (B, k), exactly as ``topk`` finds them.

    Where the row is long, the best k of some groups' maxima come first: every one of the k largest lies in them.

    Args:
        scores: (B, C).
        k: 1..C.

    Example:
        >>> largest(torch.tensor([[3.0, 9.0, 5.0]]), 2)[1].tolist()
        [[1, 2]]
    """
    width = scores.shape[1]
    size = 1 << max(0, (width // max(k, 1)).bit_length() // 2)  # members of a group: near the root of width / k
    groups = width // size
    if size == 1 or groups <= 2 * k:
        return scores.topk(k, dim=1)
    # group g has the columns g, g + groups, ...; the few columns behind the last full round join at the end
    body = scores[:, : groups * size].unflatten(1, (size, groups))  # (B, size, groups)
    best = body.amax(1).topk(k, dim=1, sorted=False).indices  # (B, k)
    near = body.gather(2, best.unsqueeze(1).expand(-1, size, -1)).flatten(1)
    rest = torch.arange(groups * size, width, device=scores.device)
    column = (best.unsqueeze(1) + groups * torch.arange(size, device=scores.device).unsqueeze(1)).flatten(1)
    column = torch.cat([column, rest.expand(len(scores), -1)], 1)
    top, place = torch.cat([near, scores[:, groups * size :]], 1).topk(k, dim=1)
    return top, column.gather(1, place)


def _cached_rows(columns: int, device: str) -> int:
    # users whose scores take about 1 MB on a processor, 256 MB elsewhere
    fewest, numbers = (16, 1 << 18) if device == "cpu" else (256, 1 << 26)
    return max(fewest, numbers // columns)


def rows_of(batch: Batch, rows: int) -> Iterator[Batch]:
    """The batch, at most so many rows at a time, without times."""
    if len(batch) <= rows:
        yield batch
        return
    for first in range(0, len(batch), rows):
        part = slice(first, first + rows)
        seen = offsets = None
        if batch.seen is not None and batch.seen_offsets is not None:
            ends = batch.seen_offsets[first : first + rows + 1]
            seen, offsets = batch.seen[ends[0] : ends[-1]], ends - ends[0]
        yield Batch(batch.user[part], batch.history[part], batch.length[part], batch.target[part], seen, offsets)


def _columns(batch: Batch, first: int, width: int) -> tuple[Tensor, Tensor]:
    # which users' targets lie in the chunk of items first.., and in which column: (B,) bool, (users inside,)
    own = batch.target - first
    inside = (own >= 0) & (own < width)
    return inside, own[inside]


def check_finite(scores: Tensor) -> None:
    """Refuses scores that are not finite.

    Raises:
        ValueError: one is not.
    """
    low, high = scores.aminmax()  # NaN if one is
    if not torch.isfinite(high - low):
        raise ValueError(
            f"a score is not finite (they reach from {low:g} to {high:g}): the model diverged. "
            "Lower optimizer.lr or set trainer.gradient_clip_val."
        )

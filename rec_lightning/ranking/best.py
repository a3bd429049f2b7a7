"""The best k candidates of each user, without a target: what is shown to people rather than measured.

Candidates are chosen once (a filter is a smaller catalogue, not a mask over a large one), and scored for a chunk of
them and a few users at a time, so that memory does not grow with users times items.

Relations: ``topk`` ranks a target among all items; both find the largest by the same function.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.ranking.topk import check_finite, largest

# B users, N items, C candidates, D width, S seen items of all users

_CACHED = 1 << 21  # scores of a block: 8 MB; a longer chunk of fewer users finds its largest sooner
_ELSEWHERE = 1 << 26


class Best:
    """Finds the best among fixed candidates.

    Args:
        candidates: (C,) distinct item indices, at least one.
        size: N.
        k: items of a list; fewer where fewer candidates are left.
        chunk: candidates scored at once.

    Example:
        >>> best = Best(torch.tensor([1, 3]), size=3, k=2)
        >>> best.of_scores(torch.tensor([[0.0, 5.0, 9.0, 7.0]]))[0]
        tensor([[3, 1]])
    """

    def __init__(self, candidates: Tensor, size: int, k: int, chunk: int = 32768) -> None:
        self.candidates, self.k, self.chunk = candidates, min(k, len(candidates)), chunk
        self.place = torch.full((size + 1,), -1, device=candidates.device)
        self.place[candidates] = torch.arange(len(candidates), device=candidates.device)

    def of_vectors(
        self, queries: Tensor, keys: Tensor, seen: Tensor | None = None, offsets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """By ``queries @ keys.T``.

        Args:
            queries: (B, D).
            keys: (C, D), of the candidates only.
            seen: (S,) items to leave out.
            offsets: (B + 1,) which of them are whose, as in ``Batch``.

        Returns:
            items (B, k), 0 where fewer are left, and scores (B, k), ``-inf`` there.

        Raises:
            ValueError: a score is not finite.
        """
        queries, keys = queries.float(), keys.float()
        for part in (queries, keys):
            check_finite(part)
        row, column = self._left_out(seen, offsets)
        fit = _CACHED if queries.device.type == "cpu" else _ELSEWHERE
        rows = max(16, fit // min(self.chunk, len(keys)))
        found = []
        for first in range(0, len(queries), rows):
            own = (row >= first) & (row < first + rows)
            found.append(self._block(queries[first : first + rows], keys, row[own] - first, column[own]))
        return torch.cat([items for items, _ in found]), torch.cat([scores for _, scores in found])

    def of_scores(
        self, scores: Tensor, seen: Tensor | None = None, offsets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """By scores that exist already: (B, N + 1), column 0 ignored; the rest is as in ``of_vectors``."""
        chosen = scores[:, self.candidates].float()
        check_finite(chosen)
        row, column = self._left_out(seen, offsets)
        chosen[row, column] = -torch.inf
        return self._named(*largest(chosen, self.k))

    def _block(self, queries: Tensor, keys: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        tops, places = [], []
        for first in range(0, len(keys), self.chunk):
            scores = queries @ keys[first : first + self.chunk].T
            inside = (column >= first) & (column < first + self.chunk)
            scores[row[inside], column[inside] - first] = -torch.inf
            top, place = largest(scores, min(self.k, scores.shape[1]))
            tops.append(top)
            places.append(place + first)
        top, place = torch.cat(tops, 1), torch.cat(places, 1)
        if len(tops) > 1:
            top, within = top.topk(self.k, dim=1)
            place = place.gather(1, within)
        return self._named(top, place)

    def _left_out(self, seen: Tensor | None, offsets: Tensor | None) -> tuple[Tensor, Tensor]:
        # users and columns of what they have and what is a candidate
        if seen is None or offsets is None:
            none = self.candidates.new_zeros(0)
            return none, none
        row = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=seen.device), offsets.diff())
        column = self.place[seen]
        return row[column >= 0], column[column >= 0]

    def _named(self, top: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(top > -torch.inf, self.candidates[place], 0), top

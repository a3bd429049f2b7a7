"""A process's share of evaluation: disjoint rows, and as many batches in every process.

Relations: ``batches`` and ``examples`` evaluate so; processes that share weights wait for each other in every batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Share:
    """Rows ``rank, rank + world, ...`` of some, cut into batches.

    Args:
        rows: of all processes together.
        size: rows a batch, at most.
        rank: this process.
        world: number of processes.

    Example:
        >>> [list(Share(5, 2, rank, 2)) for rank in range(2)]
        [[slice(0, 2, None), slice(2, 3, None)], [slice(0, 1, None), slice(1, 2, None)]]
    """

    def __init__(self, rows: int, size: int, rank: int = 0, world: int = 1) -> None:
        self.rows = np.arange(rank, rows, world)
        count = -(-rows // (world * size))
        edges = np.minimum(np.arange(count + 1) * size, len(self.rows))
        if count > 1 and edges[-1] == edges[-2]:  # others have one row more
            edges = np.linspace(0, len(self.rows), count + 1).astype(np.int64)
        self._edges = np.unique(edges)  # no batch without rows

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __iter__(self) -> Iterator[slice]:
        for first, last in zip(self._edges[:-1].tolist(), self._edges[1:].tolist(), strict=True):
            yield slice(first, last)

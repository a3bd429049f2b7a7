"""Item-kNN: an item scores by its likeness to what the user already has.

Paper: M. Deshpande and G. Karypis, "Item-Based Top-N Recommendation Algorithms", ACM TOIS 22(1), 2004,
https://doi.org/10.1145/963770.963776; the shrunk cosine is that of M. Ferrari Dacrema et al., "Are We Really Making
Much Progress? A Worrying Analysis of Recent Neural Recommendation Approaches", RecSys 2019,
https://arxiv.org/abs/1907.06902. What differs: nothing but that columns are not scaled to length one.

Relations: ``ease`` learns the item-to-item weights that are counted here; ``markov`` counts what follows what.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from rec_lightning.baselines.interactions import seen_matrix, train_matrix
from rec_lightning.contracts import Batch, Catalog, Sequences

# B batch, N items, C items of a block

_PAIRS = 1 << 26


class ItemKNN:
    """Weights ``|i and j| / (sqrt(|i| |j|) + shrink)`` over users, the nearest of each item.

    Args:
        neighbors: items kept for each item that is scored; at least 1.
        shrink: pulls pairs with few common users towards zero; at least 0.
        block: items compared with all others at once at most; fewer in a large catalogue, so that a block never
            holds more than 2^26 pairs (half a gigabyte, three times over).

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, neighbors: int = 100, shrink: float = 10.0, block: int = 1024) -> None:
        for name, value in (("neighbors", neighbors), ("block", block)):
            if value < 1:
                raise ValueError(f"baseline.{name} must be at least 1, got {value}. Set baseline.{name}.")
        if shrink < 0:
            raise ValueError(f"baseline.shrink must be at least 0, got {shrink}. Set baseline.shrink.")
        self.neighbors, self.shrink, self.block = neighbors, shrink, block
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Compares all items with all others, block by block."""
        matrix = csc_array(train_matrix(sequences, catalog.size))
        users = np.sqrt(matrix.sum(0))  # (N + 1,)
        item, near, weight = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
        block = max(1, min(self.block, _PAIRS // (catalog.size + 1)))
        for first in range(0, catalog.size + 1, block):
            own = np.arange(first, min(first + block, catalog.size + 1))
            likeness = (matrix.T @ matrix[:, own]).toarray()  # (N + 1, C)
            likeness /= users[:, None] * users[own] + self.shrink + (self.shrink == 0) * 1e-12
            likeness[own, own - first] = 0
            kept = min(self.neighbors, len(likeness))
            rows = np.argpartition(-likeness, kept - 1, axis=0)[:kept]  # (k, C)
            item.append(np.broadcast_to(own, rows.shape).ravel())
            near.append(rows.ravel())
            weight.append(np.take_along_axis(likeness, rows, 0).ravel())
        parts = (np.concatenate(weight), (np.concatenate(near), np.concatenate(item)))
        self._weights = csr_array(parts, shape=(catalog.size + 1,) * 2)
        self._weights.eliminate_zeros()
        self.parameters = int(self._weights.nnz)

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        found = seen_matrix(batch, self._weights.shape[0] - 1) @ self._weights
        return torch.from_numpy(found.toarray().astype(np.float32))

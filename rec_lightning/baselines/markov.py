"""First-order Markov chain: what most often follows the user's last item.

Paper: the chain without factors of S. Rendle, C. Freudenthaler and L. Schmidt-Thieme, "Factorizing Personalized Markov
Chains for Next-Basket Recommendation", WWW 2010, https://doi.org/10.1145/1772690.1772773. What differs: one chain
for all users; transitions that never happened fall back on popularity through a Dirichlet prior.

Relations: ``popularity`` is what remains when ``prior`` goes to infinity.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rec_lightning.baselines.interactions import train_events
from rec_lightning.contracts import Batch, Catalog, Sequences

# B batch, N items


class Markov:
    """Probability ``(n_ij + prior * p_j) / (n_i + prior)`` of item j after item i, p_j the share of j in all events.

    Args:
        prior: events that popularity is worth; positive.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, prior: float = 1.0) -> None:
        if prior <= 0:
            raise ValueError(f"baseline.prior must be positive, got {prior}. Set baseline.prior.")
        self.prior = prior
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Counts which training event of a user follows which."""
        user, item = train_events(sequences)
        same = user[1:] == user[:-1]
        pairs = item[:-1][same], item[1:][same]
        self._counts = csr_array((np.ones(len(pairs[0])), pairs), shape=(catalog.size + 1,) * 2)
        self._share = np.bincount(item, minlength=catalog.size + 1) / max(1, len(item))
        self.parameters = int(self._counts.nnz) + catalog.size

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        last = batch.history.gather(1, batch.length.unsqueeze(1) - 1).squeeze(1).numpy()
        followed = self._counts[last].toarray()  # (B, N + 1)
        found = (followed + self.prior * self._share) / (followed.sum(1, keepdims=True) + self.prior)
        return torch.from_numpy(found.astype(np.float32))

"""EASE: a linear item-to-item model with a closed form, hard to beat and seldom printed.

Paper: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, https://arxiv.org/abs/1905.03375.
With G = X^T X + lambda I and P = G^-1, the weights are B = I - P / diag(P) column by column, with a zero diagonal.
What differs: nothing; X is binary, and a user's row at evaluation holds every event before the target.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from rec_lightning.baselines.interactions import seen_matrix, train_matrix
from rec_lightning.contracts import Batch, Catalog, Sequences

# B batch, N items, U users


class Ease:
    """The closed form over the N x N Gram matrix.

    Args:
        regularization: lambda, positive.
        max_items: refuses larger catalogues, since the matrix takes N * N * 8 bytes.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, regularization: float = 250.0, max_items: int = 40_000) -> None:
        if regularization <= 0:
            raise ValueError(
                f"baseline.regularization must be positive, got {regularization}. Set baseline.regularization."
            )
        self.regularization, self.max_items = regularization, max_items
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Inverts the regularised Gram matrix of the training interactions.

        Raises:
            ValueError: the catalogue is larger than ``max_items``.
        """
        if catalog.size > self.max_items:
            raise ValueError(
                f"EASE needs a matrix of {catalog.size} x {catalog.size}; baseline.max_items is {self.max_items}. "
                "Raise it if the memory is there, or choose baseline=popularity."
            )
        matrix = train_matrix(sequences, catalog.size)
        gram = (matrix.T @ matrix).toarray()[1:, 1:]
        gram[np.diag_indices_from(gram)] += self.regularization
        inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.eye(catalog.size))
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self._weights = torch.from_numpy(np.pad(weights, ((1, 0), (1, 0))).astype(np.float32))
        self.parameters = catalog.size * catalog.size

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        seen = seen_matrix(batch, len(self._weights) - 1)
        return torch.from_numpy(seen.toarray().astype(np.float32)) @ self._weights

"""EASE: a linear item-to-item model with a closed form, hard to beat and seldom printed.

Paper: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, https://arxiv.org/abs/1905.03375.
With G = X^T X + lambda I and P = G^-1, the weights are B = I - P / diag(P) column by column, with a zero diagonal.
What differs: nothing; X is binary, and a user's row at evaluation holds every event before the target.

The inverse is made in the place of the matrix, so that the peak is one N x N matrix in double precision and the
weights in single.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csc_array
from torch import Tensor

from rec_lightning.baselines.interactions import seen_matrix, train_matrix
from rec_lightning.contracts import Batch, Catalog, Sequences

# B batch, N items, U users

_PAIR_BYTES = 12  # 8 of the inverse, 4 of the weights
_BLOCK = 512  # columns of the Gram matrix made dense at once


class Ease:
    """The closed form over the N x N Gram matrix.

    Args:
        regularization: lambda, positive.
        max_gb: memory it may take; a catalogue that needs more is refused before anything is computed. The time
            grows with N * N * N.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, regularization: float = 250.0, max_gb: float = 4.0) -> None:
        for name, value in (("regularization", regularization), ("max_gb", max_gb)):
            if value <= 0:
                raise ValueError(f"baseline.{name} must be positive, got {value}. Set baseline.{name}.")
        self.regularization, self.max_gb = regularization, max_gb
        self.parameters = 0

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Inverts the regularised Gram matrix of the training interactions.

        Raises:
            ValueError: the catalogue needs more memory than ``max_gb``.
        """
        needed = _PAIR_BYTES * catalog.size**2 / 1e9
        if needed > self.max_gb:
            raise ValueError(
                f"baseline=ease needs {needed:.3g} GB for {catalog.size:,} items ({_PAIR_BYTES} bytes a pair of items)"
                f", and baseline.max_gb is {self.max_gb}. Raise baseline.max_gb if the memory is there, or choose "
                "baseline=item_knn."
            )
        inverse = _inverse(csc_array(train_matrix(sequences, catalog.size)), self.regularization)
        scale = -np.diag(inverse)
        weights = np.zeros((catalog.size + 1,) * 2, np.float32)
        for row, values in enumerate(inverse, 1):
            np.divide(values, scale, out=weights[row, 1:], casting="same_kind")
        np.fill_diagonal(weights, 0.0)
        self._weights = torch.from_numpy(weights)
        self.parameters = catalog.size * catalog.size

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1)."""
        seen = seen_matrix(batch, len(self._weights) - 1)
        return torch.from_numpy(seen.toarray().astype(np.float32)) @ self._weights


def _inverse(matrix: csc_array, regularization: float) -> NDArray[np.float64]:
    # (U, N + 1) -> (N, N); one matrix in all: LAPACK works in the place of its argument, in Fortran's order
    size = matrix.shape[1] - 1
    gram = np.empty((size, size), order="F")
    for first in range(1, size + 1, _BLOCK):
        block = matrix[:, first : first + _BLOCK]
        gram[:, first - 1 : first - 1 + block.shape[1]] = (matrix.T @ block).toarray()[1:]
    gram[np.diag_indices(size)] += regularization
    factor, failed = dpotrf(gram, lower=1, overwrite_a=1)  # Cholesky's
    assert failed == 0, "a positive definite matrix has a factor"
    inverse: NDArray[np.float64]
    inverse, failed = dpotri(factor, lower=1, overwrite_c=1)
    assert failed == 0, "and an inverse"
    for column in range(1, size):  # the lower half is there; mirrored without a second matrix
        inverse[:column, column] = inverse[column, :column]
    return inverse

"""Who touched what, as sparse matrices of zeros and ones; what a baseline learns from and what it is asked about.

Relations: read by ``ease`` and ``item_knn``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rec_lightning.contracts import Batch, Sequences

# B batch, N items, U users


def train_events(sequences: Sequences) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """User and item of every training event, users together and each in time order: (E,), (E,)."""
    train = sequences.role == 0
    user = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))
    return user[train], sequences.items[train]


def train_matrix(sequences: Sequences, catalog_size: int) -> csr_array:
    """(U, N + 1); an event that repeats counts once."""
    user, item = train_events(sequences)
    matrix = csr_array((np.ones(len(user)), (user, item)), shape=(len(sequences.users), catalog_size + 1))
    matrix.data[:] = 1.0
    return matrix


def seen_matrix(batch: Batch, catalog_size: int) -> csr_array:
    """(B, N + 1); all that each user did before the target, however long ago."""
    assert batch.seen is not None
    assert batch.seen_offsets is not None
    parts = (np.ones(len(batch.seen)), batch.seen.numpy(), batch.seen_offsets.numpy())
    matrix = csr_array(parts, shape=(len(batch), catalog_size + 1), copy=True)  # the batch is not ours to change
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix

"""A small data set and its evaluation batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rec_lightning.contracts import Batch, Catalog, Sequences
from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split.leave_one_out import LeaveOneOut
from rec_lightning.data.tables import to_sequences


@pytest.fixture(scope="session")
def data() -> tuple[Sequences, Catalog]:
    return to_sequences(Synthetic(users=40, items=25, events_per_user=10).fetch(), LeaveOneOut())


@pytest.fixture(scope="session")
def evaluation() -> Callable[..., list[Batch]]:
    def batches(sequences: Sequences, size: int = 40, role: int = 2) -> list[Batch]:
        return list(EvalBatches(sequences, role, max_length=5, batch_size=size))

    return batches


@pytest.fixture(scope="session")
def zeros_and_ones() -> Callable[..., NDArray[np.float64]]:
    """``(sequences, size, below)`` -> (U, N), a one where a user has an event with a role below ``below``."""

    def matrix(sequences: Sequences, size: int, below: int) -> NDArray[np.float64]:
        found = np.zeros((len(sequences.users), size))
        for u in range(len(found)):
            mine = slice(sequences.offsets[u], sequences.offsets[u + 1])
            found[u, sequences.items[mine][sequences.role[mine] < below] - 1] = 1
        return found

    return matrix

"""User and item factors of the package ``implicit``: matrices as it takes them, one thread of BLAS, scores.

Relations: read by ``bpr`` and ``ials``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from torch import Tensor

# B batch, N items, F factors

Floats = NDArray[np.float32]


def check_installed(baseline: str) -> None:
    """Refuses where the package is missing.

    Raises:
        ValueError: names what to install.
    """
    if find_spec("implicit") is None:
        raise ValueError(
            f"baseline={baseline} needs the package implicit, which is not installed. Install rec_lightning[implicit], "
            "or choose baseline=ease."
        )


def check_options(positive: dict[str, float], threads: int) -> None:
    """Refuses values out of range.

    Raises:
        ValueError: a value that must be positive is not, or fewer than 0 threads.
    """
    for name, value in positive.items():
        if value <= 0:
            raise ValueError(f"baseline.{name} must be positive, got {value}. Set baseline.{name}.")
    if threads < 0:
        raise ValueError(f"baseline.threads must be 0 (all cores) or more, got {threads}. Set baseline.threads.")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """The package has threads of its own; those of BLAS inside them make it many times slower."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


def without_padding(matrix: csr_array) -> csr_matrix:
    """(U, N + 1) -> (U, N) float32, of the older class that the package asks for."""
    return csr_matrix(matrix[:, 1:], dtype=np.float32)


def inner(users: Floats, items: Floats) -> Tensor:
    """(B, F), (N, F) -> (B, N + 1) with 0 for the padding."""
    return torch.nn.functional.pad(torch.from_numpy(users) @ torch.from_numpy(items).T, (1, 0))

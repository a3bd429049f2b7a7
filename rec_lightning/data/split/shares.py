"""What the splits by chance have in common: the rule for shares, a draw, and what is asked of a drawn user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_shares(validation: float, test: float) -> None:
    """Refuses shares that leave nothing.

    Raises:
        ValueError: a share is not above 0, or both together are 1 or more.
    """
    for name, value in (("validation", validation), ("test", test)):
        if not 0 < value < 1:
            raise ValueError(f"data.split.{name} must be between 0 and 1, both excluded, got {value}. Set it.")
    if validation + test >= 1:
        raise ValueError(
            f"data.split.validation and data.split.test must be less than 1 together, got {validation} and {test}. "
            "Lower one."
        )


def draw(count: int, validation: float, test: float, seed: int) -> NDArray[np.int8]:
    """(count,) parts by chance, 0 training, 1 validation, 2 test; each share rounded to whole ones."""
    part = np.zeros(count, np.int8)
    ends = round(count * test), round(count * test) + round(count * validation)
    part[: ends[1]] = 1
    part[: ends[0]] = 2
    return np.random.default_rng(seed).permutation(part)


def ask_last(part: NDArray[np.int8], offsets: NDArray[np.int64]) -> NDArray[np.int8]:
    """(U,) parts of users, (U + 1,) -> (E,) roles: the last event of a drawn user is the target, the others input."""
    role = np.where(np.repeat(part, np.diff(offsets)) > 0, 3, 0).astype(np.int8)
    role[offsets[1:] - 1] = part
    return role

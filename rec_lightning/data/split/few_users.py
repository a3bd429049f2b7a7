"""Few users: leave-one-out for everybody, but only a share of the users train; for studies of how much data a method
needs.

The others' earlier events are input when they are evaluated (role 3), so all shares are measured on the same targets.
With equal seeds a smaller share's users are among those of a larger one.
Relations: ``leave_one_out`` is the share of 1; ``cold_users`` evaluates on users that never trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.leave_one_out import LeaveOneOut


@dataclass(frozen=True)
class FewUsers:
    """Draws the users whose events train.

    Args:
        share: of the users, in (0, 1]; at least one user.
        seed: equal seeds give equal users.

    Raises:
        ValueError: the share is out of range.

    Example:
        >>> FewUsers(share=0.5, seed=1)(np.array([0, 4, 8]), pl.DataFrame({"item": range(8)})).tolist()
        [0, 0, 1, 2, 3, 3, 1, 2]
    """

    share: float = 0.1
    seed: int = 0
    leaks: ClassVar[str] = LeaveOneOut.leaks

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"data.split.share must be in (0, 1], got {self.share}. Set data.split.share.")

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        role, users = LeaveOneOut()(offsets, events), len(offsets) - 1
        place = np.random.default_rng(self.seed).permutation(users)
        silent = np.repeat(place >= max(1, round(users * self.share)), np.diff(offsets))
        role[silent & (role == 0)] = 3
        return role

"""Cold users: some users have no training event at all; the model meets them by their history only.

Their last event is the target, the earlier ones are input (role 3). What strong generalisation means in D. Liang et
al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, https://arxiv.org/abs/1802.05814 (which holds a
random share of the history out instead).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.shares import ask_last, check_shares, draw


@dataclass(frozen=True)
class ColdUsers:
    """Draws users; those drawn never train.

    Args:
        validation: share of users.
        test: share of users.
        seed: equal seeds give equal users.

    Raises:
        ValueError: a share out of range.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    leaks: ClassVar[str] = "training holds other users' events from after a user's target"

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        return ask_last(draw(len(offsets) - 1, self.validation, self.test, self.seed), offsets)

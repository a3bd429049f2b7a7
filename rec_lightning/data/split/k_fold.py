"""K-fold: events, or users, fall by chance into folds of equal size; one tests, the next one validates, the rest train.

Run once with each ``fold``, every event is a test target exactly once; one without any history before it is left out of
the evaluation. For ratings, and for papers that did so.

Over events it LEAKS as ``random_share`` does: a user's later events train when an earlier one is tested. Over users it
is ``cold_users`` with every user tested once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.cold_users import ColdUsers
from rec_lightning.data.split.random_share import RandomShare
from rec_lightning.data.split.shares import ask_last


@dataclass(frozen=True)
class KFold:
    """Draws the fold of each event or user.

    Args:
        folds: K, at least 3.
        fold: which one tests, 0..K - 1; the one after it (0 after the last) validates.
        of: what is drawn: ``events``, or ``users``, whose last event is the target and the earlier ones input.
        seed: equal seeds give equal folds, whatever ``fold`` is.
        validation: share of the other folds that validates, in place of the next fold; None for that. With 5 folds and
            little validation, four fifths train, as in most papers on ratings.

    Raises:
        ValueError: fewer than 3 folds, no such fold, or a share out of range.

    Example:
        >>> events = pl.DataFrame({"item": range(6)})
        >>> [KFold(3, fold)(np.array([0, 6]), events).tolist() for fold in range(3)]
        [[2, 0, 0, 1, 2, 1], [0, 1, 1, 2, 0, 2], [1, 2, 2, 0, 1, 0]]
    """

    folds: int = 5
    fold: int = 0
    of: Literal["events", "users"] = "events"
    seed: int = 0
    validation: float | None = None

    def __post_init__(self) -> None:
        if self.folds < 3:
            raise ValueError(
                f"data.split.folds must be at least 3, for training, validation and test, got {self.folds}. "
                "Set data.split.folds."
            )
        if not 0 <= self.fold < self.folds:
            raise ValueError(
                f"data.split.fold must be 0..folds - 1 ({self.folds - 1}), got {self.fold}. Set data.split.fold."
            )
        if self.validation is not None and not 0 < self.validation < 1:
            raise ValueError(
                f"data.split.validation must be between 0 and 1, both excluded, got {self.validation}. Set it, or null."
            )

    @property
    def leaks(self) -> str:
        """What training knows."""
        return (RandomShare if self.of == "events" else ColdUsers).leaks

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8.

        Raises:
            ValueError: there are more folds than events or users.
        """
        count = events.height if self.of == "events" else len(offsets) - 1
        if count < self.folds:
            raise ValueError(
                f"data.split.folds must be at most the number of {self.of} ({count}), got {self.folds}. Lower it."
            )
        place = np.random.default_rng(self.seed).permutation(count)
        turn = (place - self.fold) % self.folds
        validates = turn == 1
        if self.validation is not None:  # by chance again: what fell into the first rounds of the others
            validates = (turn > 0) & (place < count * self.validation)
        part = np.where(turn == 0, 2, validates).astype(np.int8)
        return part if self.of == "events" else ask_last(part, offsets)

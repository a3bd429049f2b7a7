"""Few examples: so many labelled events train, whatever else was before is only read; for scorers that need little.

The protocol of K. Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation", RecSys 2023, https://arxiv.org/abs/2305.00447. What differs: the last 20 % of each user's events are
tested and the 10 % before them validate, of some users and some events; the examples of a smaller draw are among those
of a larger one with the same seed, and the test is the same for all seeds.

Relations: ``temporal_ratio`` trains on all; ``few_users`` draws users, for tasks that rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.temporal_ratio import TemporalRatio


@dataclass(frozen=True)
class FewExamples:
    """Draws the events that train, validate and are tested; all others are input (role 3).

    Args:
        train: events that train; null for all.
        validation: events that validate.
        users: that are tested, drawn among those with enough events.
        asked: test events of each, the first ones of the last 20 %.
        seed: of what trains and validates.

    Raises:
        ValueError: a number below 1.
    """

    train: int | None = 64
    validation: int = 256
    users: int = 100
    asked: int = 10
    seed: int = 0
    leaks: ClassVar[str] = TemporalRatio.leaks
    few: ClassVar[bool] = True  # perhaps no user has two events that train, as a task that ranks would need

    def __post_init__(self) -> None:
        for name in ("train", "validation", "users", "asked"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"data.split.{name} must be at least 1, got {value}. Set data.split.{name}.")

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8.

        Raises:
            ValueError: there are fewer users or events than asked for.
        """
        cut = TemporalRatio(0.1, 0.2)(offsets, events)
        role = np.full(len(cut), 3, np.int8)
        late = np.add.reduceat(cut == 2, offsets[:-1], dtype=np.int64)  # (U,)
        for user in _drawn(np.flatnonzero(late >= self.asked), self.users, 0, "users"):
            first = offsets[user + 1] - late[user]
            role[first : first + self.asked] = 2
        role[_drawn(np.flatnonzero(cut == 1), self.validation, self.seed, "validation")] = 1
        early = np.flatnonzero(cut == 0)
        role[early if self.train is None else _drawn(early, self.train, self.seed, "train")] = 0
        return role


def _drawn(among: NDArray[np.int64], count: int, seed: int, name: str) -> NDArray[np.int64]:
    if count > len(among):
        raise ValueError(f"data.split.{name} must be at most {len(among)} here, got {count}. Set data.split.{name}.")
    return np.random.default_rng(seed).permutation(among)[:count]

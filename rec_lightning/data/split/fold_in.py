"""Fold-in: some users never train; most of what such a user did is shown to the model, and all the rest is asked.

Strong generalisation as in D. Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018,
https://arxiv.org/abs/1802.05814: held-out users, 80 % of their events as input (role 3), the other 20 % by chance as
targets. What differs: ``by=time`` asks for the newest events in place of random ones. The input is meant to be all of
the user's events that are not asked for, earlier or later: ``data.inputs=rest``, which ``conf/data/split/fold_in.yaml``
sets.

Relations: ``cold_users`` asks each held-out user for the last event only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.data.split.shares import check_shares, draw


@dataclass(frozen=True)
class FoldIn:
    """Draws users, and of each drawn one the events that are asked for.

    Args:
        validation: share of users.
        test: share of users.
        asked: share of a drawn user's events, rounded down; one who has too few for a target is input only.
        by: ``chance`` draws them, ``time`` takes the newest.
        seed: equal seeds give equal roles.

    Raises:
        ValueError: a share out of range.

    Example:
        >>> events = pl.DataFrame({"item": range(15)})
        >>> FoldIn(0.34, 0.34, asked=0.4, by="time")(np.array([0, 5, 10, 15]), events).tolist()
        [0, 0, 0, 0, 0, 3, 3, 3, 2, 2, 3, 3, 3, 1, 1]
    """

    validation: float = 0.1
    test: float = 0.1
    asked: float = 0.2
    by: Literal["chance", "time"] = "chance"
    seed: int = 0

    def __post_init__(self) -> None:
        check_shares(self.validation, self.test)
        if not 0 < self.asked < 1:
            raise ValueError(
                f"data.split.asked must be between 0 and 1, both excluded, got {self.asked}. Set data.split.asked."
            )

    @property
    def leaks(self) -> str:
        """What training and the input know."""
        whole = "training holds other users' events from after a user's targets"
        return f"{whole}, and the input the user's own" if self.by == "chance" else whole

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """The role of each event: (U + 1,), E sorted rows -> (E,) int8."""
        part = draw(len(offsets) - 1, self.validation, self.test, self.seed)
        count = np.diff(offsets)
        owner = np.repeat(np.arange(len(count)), count)
        key = np.random.default_rng((self.seed, 1)).random(events.height)
        if self.by == "time":
            key = -np.arange(events.height, dtype=float)
        place = np.empty(events.height, np.int64)  # of an event among its user's, in the order of the key
        place[np.lexsort((key, owner))] = np.arange(events.height) - np.repeat(offsets[:-1], count)
        asked = place < np.floor(count * self.asked + 1e-9)[owner]  # .2 * 5 is less than 1 in binary for some shares
        role = np.where(part[owner] > 0, 3, 0).astype(np.int8)
        role[asked & (role == 3)] = part[owner][asked & (role == 3)]
        return role

"""Synthetic interactions with known structure, at any size: what a model should find is known beforehand.

Each item belongs to a taste and has a popularity that falls off as 1 / rank (Zipf); each user has a few tastes and
drifts from one to the next along a ring, so the order of events tells the future. An item's text names its taste, so
text carries information that an id of a rare item lacks. Licence: none needed, nothing is copied from anywhere.

Relations: made for tests and for measuring at scale; no figure on it says anything about real users.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from rec_lightning.contracts import ITEM, RATING, TIMESTAMP, USER, Tables
from rec_lightning.data.tables import fingerprint

_WORDS = "space love crime ghost jungle robot music war ocean school magic desert train winter chess garden".split()
_DAY = 86_400


class Synthetic:
    """Draws users, items and events from a seed.

    Args:
        users: U, at least 1.
        items: N, at least ``tastes``.
        events_per_user: mean number of events; every user has at least 3.
        tastes: groups of items, 2 to 16; each has a word of its own.
        seed: equal seeds give equal data.

    Raises:
        ValueError: a value out of range.
    """

    item_columns = (ITEM, "title", "year", "genres")
    user_columns = (USER,)

    def __init__(
        self, users: int = 300, items: int = 200, events_per_user: int = 30, tastes: int = 8, seed: int = 0
    ) -> None:
        least = {
            "users": (users, 1),
            "tastes": (tastes, 2),
            "items": (items, tastes),
            "events_per_user": (events_per_user, 3),
        }
        for name, (value, low) in least.items():
            if value < low:
                raise ValueError(f"data.source.{name} must be at least {low}, got {value}. Set data.source.{name}.")
        if tastes > len(_WORDS):
            raise ValueError(
                f"data.source.tastes must be at most {len(_WORDS)}, the words that name them, got {tastes}. "
                "Set data.source.tastes."
            )
        self.users, self.items, self.events_per_user, self.tastes, self.seed = (
            users,
            items,
            events_per_user,
            tastes,
            seed,
        )

    def identity(self) -> str:
        """The options, which decide everything."""
        return f"{self.users} {self.items} {self.events_per_user} {self.tastes} {self.seed}"

    def fetch(self) -> Tables:
        """The tables; nothing is read."""
        generator = np.random.default_rng(self.seed)
        taste = generator.permutation(np.arange(self.items) % self.tastes)  # of each item
        interactions, items = self._events(generator, taste), self._items(taste)
        users = pl.DataFrame({USER: np.arange(1, self.users + 1)})
        return Tables(
            interactions=interactions,
            items=items,
            users=users,
            name="synthetic",
            licence="none needed",
            source=f"drawn with seed {self.seed}",
            fingerprint=fingerprint(interactions, items, users),
        )

    def _events(self, generator: np.random.Generator, taste: np.ndarray) -> pl.DataFrame:
        count = 3 + generator.poisson(self.events_per_user - 3, self.users)
        user = np.repeat(np.arange(self.users), count)
        nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
        # a user moves on to the next taste every few events, and now and then strays
        pace = generator.integers(3, 8, self.users)[user]
        start = generator.integers(0, self.tastes, self.users)[user]
        wanted = (start + nth // pace) % self.tastes
        strays = generator.random(len(user)) < 0.1
        wanted = np.where(strays, generator.integers(0, self.tastes, len(user)), wanted)
        item = self._draw(generator, taste, wanted)
        return pl.DataFrame(
            {
                USER: user + 1,
                ITEM: item + 1,
                TIMESTAMP: 1_600_000_000 + nth * _DAY + generator.integers(0, _DAY, len(user)),
                RATING: np.where(strays, 2, 4 + generator.integers(0, 2, len(user))),
            }
        )

    def _draw(self, generator: np.random.Generator, taste: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """For each wanted taste an item of it, popular ones more often."""
        item = np.empty(len(wanted), np.int64)
        for group in range(self.tastes):
            members = np.flatnonzero(taste == group)
            weight = 1 / np.arange(1, len(members) + 1)
            rows = np.flatnonzero(wanted == group)
            item[rows] = generator.choice(members, len(rows), p=weight / weight.sum())
        return item

    def _items(self, taste: np.ndarray) -> pl.DataFrame:
        number = np.arange(self.items)
        word = [_WORDS[t] for t in taste]
        return pl.DataFrame(
            {
                ITEM: number + 1,
                "title": [f"The {w} story {n + 1}" for w, n in zip(word, number, strict=True)],
                "year": [str(1950 + n % 70) for n in number],
                "genres": [[w] for w in word],
            }
        )

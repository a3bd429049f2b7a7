"""Users, items and vectors that the tests of several re-rankers share."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from rec_lightning.contracts import Batch, Catalog

USERS, ITEMS, K, CANDIDATES = 30, 60, 8, 25


def known() -> Catalog:
    """60 items, some without genres or a year, with prices."""
    generator = np.random.default_rng(1)
    genres = [[f"g{g}" for g in generator.permutation(6)[: generator.integers(0, 4)]] for _ in range(ITEMS)]
    year = [None if i % 13 == 0 else 1990 + i % 5 for i in range(ITEMS)]
    price = generator.integers(1, 100, ITEMS).astype(float)
    items = pl.DataFrame({"item": range(ITEMS), "genres": genres, "year": year, "price": price})
    return Catalog(items, np.append(0, generator.integers(0, 50, ITEMS)))


def evaluation(seed: int = 0, most: int = 40) -> Batch:
    """Users with up to ``most`` seen items; the last has so many that few candidates are left."""
    generator = np.random.default_rng(seed)
    counts = [*generator.integers(1, most, USERS - 1), ITEMS - 5]
    seen = [generator.permutation(ITEMS)[:count] + 1 for count in counts]
    history = np.zeros((USERS, 10), np.int64)
    for row, own in enumerate(seen):
        history[row, : min(10, len(own))] = own[-10:]
    offsets = torch.tensor([0, *map(len, seen)]).cumsum(0)
    target = torch.from_numpy(generator.integers(1, ITEMS + 1, USERS))
    user, length = torch.arange(100, 100 + USERS), torch.tensor([min(10, len(own)) for own in seen])
    return Batch(user, torch.from_numpy(history), length, target, torch.from_numpy(np.concatenate(seen)), offsets)


def vectors(ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys; with ties small integers, so that many scores are equal."""
    generator = torch.Generator().manual_seed(0)
    if ties:
        whole = [torch.randint(-1, 2, (rows, 4), generator=generator).float() for rows in (USERS, ITEMS + 1)]
        return whole[0], whole[1]
    return torch.randn(USERS, 8, generator=generator), torch.randn(ITEMS + 1, 8, generator=generator)

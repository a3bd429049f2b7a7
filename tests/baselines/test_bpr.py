"""Two tastes that share nothing are told apart, and an equal seed gives equal bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.baselines.bpr import BPR
from rec_lightning.contracts import Batch, Catalog, Sequences

USERS, ITEMS, COLD = 40, 20, 39


@pytest.fixture(scope="module")
def tastes() -> tuple[Sequences, Catalog]:
    """Users with an even number only touch items with an even one; the last user trains nothing."""
    generator = np.random.default_rng(0)
    events = [u % 2 + 1 + 2 * generator.permutation(ITEMS // 2)[:8] for u in range(USERS)]
    role = np.tile(np.array([0] * 6 + [1, 2], np.int8), USERS).reshape(USERS, 8)
    role[COLD, :6] = 3
    items = np.concatenate(events)
    sequences = Sequences(items, np.arange(0, 8 * USERS + 1, 8), role.ravel(), pl.Series(range(USERS)))
    counts = np.bincount(items[sequences.role == 0], minlength=ITEMS + 1)
    return sequences, Catalog(pl.DataFrame({"item": range(ITEMS)}), counts)


def fitted(data: tuple[Sequences, Catalog], batch: Batch, seed: int) -> Tensor:
    bpr = BPR(factors=8, iterations=200, seed=seed)
    bpr.fit(*data)
    assert bpr.parameters == USERS * 8 + ITEMS * 9
    return bpr.scores(batch)


def test_each_user_prefers_the_items_of_the_own_taste(
    tastes: tuple[Sequences, Catalog], evaluation: Callable[..., list[Batch]]
) -> None:
    (batch,) = evaluation(tastes[0])
    scores = fitted(tastes, batch, 0)[:COLD, 1:]
    own = torch.arange(ITEMS) % 2 == torch.arange(COLD).unsqueeze(1) % 2
    # (own, other) pairs in the right order; a coin would get half
    right = (scores[own].view(COLD, -1, 1) > scores[~own].view(COLD, 1, -1)).double().mean()
    assert right > 0.99


def test_a_user_without_training_events_gets_the_biases(
    tastes: tuple[Sequences, Catalog], evaluation: Callable[..., list[Batch]]
) -> None:
    (batch,) = evaluation(tastes[0])
    bpr = BPR(factors=8, iterations=20)
    bpr.fit(*tastes)
    assert torch.equal(bpr.scores(batch)[COLD, 1:], torch.from_numpy(bpr._items[:, -1]))


def test_an_equal_seed_gives_equal_bits_and_another_does_not(
    tastes: tuple[Sequences, Catalog], evaluation: Callable[..., list[Batch]]
) -> None:
    (batch,) = evaluation(tastes[0])
    assert torch.equal(fitted(tastes, batch, 3), fitted(tastes, batch, 3))
    assert not torch.equal(fitted(tastes, batch, 3), fitted(tastes, batch, 4))


@pytest.mark.parametrize("name", ["factors", "learning_rate", "regularization", "iterations"])
def test_values_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"^baseline.{name} must be positive, got 0. Set baseline.{name}.$"):
        BPR(**{name: 0})

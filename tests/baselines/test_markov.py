"""Transitions by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.baselines.markov import Markov
from rec_lightning.contracts import Batch, Catalog, Sequences


def test_by_hand(evaluation: Callable[..., list[Batch]]) -> None:
    # a: x y x y | z x;  b: y x | y z;  no pair reaches from a to b, none into a held-out event
    items = np.array([1, 2, 1, 2, 3, 1, 2, 1, 2, 3])
    role = np.array([0, 0, 0, 0, 1, 2, 0, 0, 1, 2], np.int8)
    sequences = Sequences(items, np.array([0, 6, 10]), role, pl.Series(["a", "b"]))
    catalog = Catalog(pl.DataFrame({"item": ["x", "y", "z"]}), np.array([0, 3, 3, 0]))
    markov = Markov(prior=2.0)
    markov.fit(sequences, catalog)
    (batch,) = evaluation(sequences)
    # b, the shorter: its last item is y, which x follows twice; a: z, which nothing follows, so shares are alike
    assert batch.user.tolist() == [1, 0]
    expected = [[0, (2 + 1) / 4, 1 / 4, 0], [0, 1 / 2, 1 / 2, 0]]
    assert torch.allclose(markov.scores(batch), torch.tensor(expected))
    assert markov.parameters == 2 + 3


def test_prior_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^baseline.prior must be positive, got 0. Set baseline.prior.$"):
        Markov(prior=0)

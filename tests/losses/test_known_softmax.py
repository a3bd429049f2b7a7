"""Items that training never met are no negatives, and everything else is the full softmax."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.losses.known_softmax import KnownSoftmax


def test_equals_the_softmax_without_the_cold_items_and_moves_none_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    popularity = np.array([0, 3, 0, 1, 2, 0, 4])
    loss = KnownSoftmax()
    loss.prepare(Catalog(pl.DataFrame({"item": range(6)}), popularity))
    queries, keys = (torch.randn(n, 4, generator=generator, requires_grad=True) for n in (5, 7))
    target = torch.tensor([1, 3, 4, 6, 6])
    scores = (queries @ keys.T).masked_fill(torch.from_numpy(popularity) == 0, -torch.inf)
    found = loss(queries, keys, target)
    assert float(found) == pytest.approx(float(-scores.log_softmax(1)[range(5), target].mean()), abs=1e-6)
    found.backward()
    assert keys.grad is not None
    assert keys.grad.any(1).tolist() == (popularity > 0).tolist()

"""The closed form against NumPy's plain inverse."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from rec_lightning.baselines.ease import Ease
from rec_lightning.contracts import Batch, Catalog, Sequences


def test_equals_the_plain_inverse(
    data: tuple[Sequences, Catalog],
    evaluation: Callable[..., list[Batch]],
    zeros_and_ones: Callable[..., NDArray[np.float64]],
) -> None:
    sequences, catalog = data
    ease = Ease(regularization=3.0)
    ease.fit(sequences, catalog)
    matrix = zeros_and_ones(sequences, catalog.size, 1)
    inverse = np.linalg.inv(matrix.T @ matrix + 3.0 * np.eye(catalog.size))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    (batch,) = evaluation(sequences)
    seen = zeros_and_ones(sequences, catalog.size, 2)[batch.user.numpy()]  # what comes before the test target
    assert np.allclose(ease.scores(batch)[:, 1:].numpy(), seen @ weights, atol=1e-5)
    assert ease.parameters == catalog.size**2


@pytest.mark.parametrize("name", ["regularization", "max_gb"])
def test_values_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"^baseline.{name} must be positive, got 0. Set baseline.{name}.$"):
        Ease(**{name: 0})


def test_a_catalogue_beyond_the_memory_is_refused_before_anything_is_computed() -> None:
    nothing = Sequences(
        np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int8), pl.Series([], dtype=pl.String)
    )
    large = Catalog(pl.DataFrame({"item": range(41_000)}), np.zeros(41_001, np.int64))
    text = (
        "baseline=ease needs 20.2 GB for 41,000 items (12 bytes a pair of items), and baseline.max_gb is 4.0. Raise "
        "baseline.max_gb if the memory is there, or choose baseline=item_knn."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Ease().fit(nothing, large)


def test_the_peak_is_one_matrix_in_double_and_one_in_single_precision() -> None:
    events, size = 20_000, 1200
    items = np.random.default_rng(0).integers(1, size + 1, events)
    sequences = Sequences(
        items, np.arange(0, events + 1, 20), np.zeros(events, np.int8), pl.Series(range(events // 20))
    )
    catalog = Catalog(pl.DataFrame({"item": range(size)}), np.bincount(items, minlength=size + 1))
    tracemalloc.start()
    try:
        Ease().fit(sequences, catalog)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    blocks = 3 * 512 * size * 12  # sparse and dense columns of the Gram matrix
    assert 12 * size**2 <= peak < 12 * size**2 + blocks

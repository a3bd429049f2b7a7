"""The closed form against NumPy's plain inverse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
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


def test_values_out_of_range(data: tuple[Sequences, Catalog]) -> None:
    text = r"^baseline.regularization must be positive, got 0. Set baseline.regularization.$"
    with pytest.raises(ValueError, match=text):
        Ease(regularization=0)
    text = (
        r"^EASE needs a matrix of 25 x 25; baseline.max_items is 24. "
        r"Raise it if the memory is there, or choose baseline=popularity.$"
    )
    with pytest.raises(ValueError, match=text):
        Ease(max_items=24).fit(*data)

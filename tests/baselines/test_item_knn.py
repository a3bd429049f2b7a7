"""The shrunk cosine against NumPy, for any block."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rec_lightning.baselines.item_knn import ItemKNN
from rec_lightning.contracts import Batch, Catalog, Sequences

Data = tuple[Sequences, Catalog]


def likeness(matrix: NDArray[np.float64], shrink: float) -> NDArray[np.float64]:
    found = np.zeros((matrix.shape[1],) * 2)
    for i in range(len(found)):
        for j in range(len(found)):
            both = (matrix[:, i] * matrix[:, j]).sum()
            if i != j and both:
                found[i, j] = both / (np.sqrt(matrix[:, i].sum() * matrix[:, j].sum()) + shrink)
    return found


@pytest.mark.parametrize("block", [1, 7, 1024])
@pytest.mark.parametrize("shrink", [0.0, 5.0])
@pytest.mark.parametrize("neighbors", [3, 1000])
def test_equals_the_formula(
    neighbors: int,
    shrink: float,
    block: int,
    data: Data,
    evaluation: Callable[..., list[Batch]],
    zeros_and_ones: Callable[..., NDArray[np.float64]],
) -> None:
    sequences, catalog = data
    knn = ItemKNN(neighbors, shrink, block)
    knn.fit(sequences, catalog)
    weights = likeness(zeros_and_ones(sequences, catalog.size, 1), shrink)
    kept = knn._weights.toarray()[1:, 1:]
    for item in range(catalog.size):
        # equal values may stand in for each other, so the kept ones are compared sorted and each with its own
        best = np.sort(weights[:, item])[::-1][:neighbors]
        assert np.allclose(np.sort(kept[:, item])[::-1][:neighbors], best, atol=1e-9)
        assert np.allclose(kept[kept[:, item] > 0, item], weights[kept[:, item] > 0, item], atol=1e-9)
    (batch,) = evaluation(sequences)
    seen = zeros_and_ones(sequences, catalog.size, 2)[batch.user.numpy()]
    assert np.allclose(knn.scores(batch)[:, 1:].numpy(), seen @ kept, atol=1e-5)
    assert knn.parameters == (kept > 0).sum()


def test_a_large_catalogue_is_compared_in_smaller_blocks(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ItemKNN(neighbors=1000)
    whole.fit(*data)
    monkeypatch.setattr("rec_lightning.baselines.item_knn._PAIRS", 3 * 26)
    widths = []
    blocks = np.broadcast_to
    monkeypatch.setattr(np, "broadcast_to", lambda own, shape: widths.append(len(own)) or blocks(own, shape))
    small = ItemKNN(neighbors=1000)
    small.fit(*data)
    assert max(widths) == 3
    assert (whole._weights != small._weights).nnz == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"neighbors": 0}, "baseline.neighbors must be at least 1, got 0. Set baseline.neighbors."),
        ({"block": 0}, "baseline.block must be at least 1, got 0. Set baseline.block."),
        ({"shrink": -1.0}, "baseline.shrink must be at least 0, got -1.0. Set baseline.shrink."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        ItemKNN(**changes)

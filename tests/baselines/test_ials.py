"""Weighted least squares against NumPy's solver, from the same start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rec_lightning.baselines import factors
from rec_lightning.baselines.bpr import BPR
from rec_lightning.baselines.ials import IALS
from rec_lightning.contracts import Batch, Catalog, Sequences

Data = tuple[Sequences, Catalog]
Matrix = NDArray[np.float64]


def solved(observed: Matrix, other: Matrix, alpha: float, regularization: float) -> Matrix:
    """The rows that minimise the objective while ``other`` stays."""
    rows = []
    for row in observed:
        weighted = other.T * np.where(row > 0, alpha, 1.0)
        rows.append(np.linalg.solve(weighted @ other + regularization * np.eye(other.shape[1]), weighted @ row))
    return np.array(rows)


def test_equals_numpys_solver(
    data: Data, evaluation: Callable[..., list[Batch]], zeros_and_ones: Callable[..., Matrix]
) -> None:
    sequences, catalog = data
    ials = IALS(factors=4, regularization=0.5, alpha=3.0, iterations=4, seed=5)
    ials.fit(sequences, catalog)
    observed = zeros_and_ones(sequences, catalog.size, 1)
    start = np.random.default_rng(5)  # the package draws users first, then items
    _, items = (start.random((n, 4), dtype=np.float32) * 0.01 for n in observed.shape)
    items = items.astype(np.float64)
    for _ in range(4):
        users = solved(observed, items, 3.0, 0.5)
        items = solved(observed.T, users, 3.0, 0.5)
    (batch,) = evaluation(sequences)
    seen = zeros_and_ones(sequences, catalog.size, 2)[batch.user.numpy()]  # what comes before the test target
    expected = solved(seen, items, 3.0, 0.5) @ items.T
    assert np.allclose(ials.scores(batch)[:, 1:].numpy(), expected, atol=1e-4)
    assert ials.parameters == 4 * sum(observed.shape)


def test_any_number_of_threads_gives_the_same_bits(data: Data, evaluation: Callable[..., list[Batch]]) -> None:
    (batch,) = evaluation(data[0])
    found = []
    for threads in (1, 2, 1):
        ials = IALS(factors=8, threads=threads)
        ials.fit(*data)
        found.append(ials.scores(batch))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("name", ["factors", "regularization", "alpha", "iterations"])
def test_values_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match=f"^baseline.{name} must be positive, got 0. Set baseline.{name}.$"):
        IALS(**{name: 0})


@pytest.mark.parametrize(("baseline", "name"), [(IALS, "ials"), (BPR, "bpr")])
def test_threads_and_the_package(baseline: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = r"^baseline.threads must be 0 \(all cores\) or more, got -1. Set baseline.threads.$"
    with pytest.raises(ValueError, match=text):
        baseline(threads=-1)
    monkeypatch.setattr(factors, "find_spec", lambda package: None)
    text = (
        rf"^baseline={name} needs the package implicit, which is not installed. Install rec_lightning\[implicit\], or "
        "choose baseline=ease.$"
    )
    with pytest.raises(ValueError, match=text):
        baseline()

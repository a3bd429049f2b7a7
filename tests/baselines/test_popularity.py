"""Counts by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from rec_lightning.baselines.popularity import Popularity
from rec_lightning.contracts import Batch, Catalog, Sequences


def test_training_events_are_counted(evaluation: Callable[..., list[Batch]]) -> None:
    # a: x x y | y y;  b: y | z z  -> x 2, y 2, z 0
    items = np.array([1, 1, 2, 2, 2, 2, 3, 3])
    role = np.array([0, 0, 0, 1, 2, 0, 1, 2], np.int8)
    sequences = Sequences(items, np.array([0, 5, 8]), role, pl.Series(["a", "b"]))
    catalog = Catalog(pl.DataFrame({"item": ["x", "y", "z"]}), np.bincount(items[role == 0], minlength=4))
    popularity = Popularity()
    popularity.fit(sequences, catalog)
    (batch,) = evaluation(sequences)
    assert popularity.scores(batch).tolist() == [[0, 2, 2, 0]] * 2

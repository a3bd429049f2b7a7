"""What every baseline of ``conf/baseline`` promises, and the single ones against NumPy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.baselines.ease import Ease
from rec_lightning.baselines.popularity import Popularity
from rec_lightning.contracts import Batch, Catalog, Sequences
from rec_lightning.data.batches import EvalBatches
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut
from rec_lightning.data.tables import to_sequences
from tests.members import member, members

BASELINES = members("baseline")


@pytest.fixture(scope="module")
def data() -> tuple[Sequences, Catalog]:
    return to_sequences(Synthetic(users=40, items=25, events_per_user=10).fetch(), LeaveOneOut())


def evaluation(sequences: Sequences, size: int = 40, role: int = 2) -> list[Batch]:
    return list(EvalBatches(sequences, role, max_length=5, batch_size=size))


@pytest.mark.parametrize("choice", BASELINES)
def test_finite_scores_for_every_item_whatever_the_batch(choice: str, data: tuple[Sequences, Catalog]) -> None:
    sequences, catalog = data
    baseline = member("baseline", choice, root="baseline")
    baseline.fit(sequences, catalog)
    (batch,) = evaluation(sequences)
    whole = baseline.scores(batch)
    assert whole.shape == (len(batch), catalog.size + 1)
    assert whole.dtype == torch.float32
    assert torch.isfinite(whole[:, 1:]).all()
    assert torch.allclose(torch.cat([baseline.scores(b) for b in evaluation(sequences, 7)]), whole, atol=1e-6)
    assert isinstance(baseline.parameters, int)


@pytest.mark.parametrize("choice", BASELINES)
def test_nothing_is_learnt_from_what_is_held_out(choice: str, data: tuple[Sequences, Catalog]) -> None:
    sequences, catalog = data
    held_out = sequences.role > 0
    items = np.where(held_out, sequences.items % catalog.size + 1, sequences.items)  # other targets, same training part
    changed = Sequences(items, sequences.offsets, sequences.role, sequences.users)
    (batch,) = evaluation(sequences, role=1)
    found = []
    for learnt in (sequences, changed):
        baseline = member("baseline", choice, root="baseline")
        baseline.fit(learnt, catalog)
        found.append(baseline.scores(batch))
    assert torch.equal(*found)


def test_popularity_counts_training_events_only() -> None:
    # a: x x y | y y;  b: y | z z  -> x 2, y 2, z 0
    items = np.array([1, 1, 2, 2, 2, 2, 3, 3])
    role = np.array([0, 0, 0, 1, 2, 0, 1, 2], np.int8)
    sequences = Sequences(items, np.array([0, 5, 8]), role, pl.Series(["a", "b"]))
    catalog = Catalog(pl.DataFrame({"item": ["x", "y", "z"]}), np.bincount(items[role == 0], minlength=4))
    popularity = Popularity()
    popularity.fit(sequences, catalog)
    (batch,) = evaluation(sequences)
    assert popularity.scores(batch).tolist() == [[0, 2, 2, 0]] * 2


def test_ease_equals_the_plain_inverse(data: tuple[Sequences, Catalog]) -> None:
    sequences, catalog = data
    ease = Ease(regularization=3.0)
    ease.fit(sequences, catalog)
    matrix = np.zeros((len(sequences.users), catalog.size))
    seen = np.zeros_like(matrix)
    for u in range(len(matrix)):
        mine = slice(sequences.offsets[u], sequences.offsets[u + 1])
        matrix[u, sequences.items[mine][sequences.role[mine] == 0] - 1] = 1
        seen[u, sequences.items[mine][sequences.role[mine] < 2] - 1] = 1  # what comes before the test target
    inverse = np.linalg.inv(matrix.T @ matrix + 3.0 * np.eye(catalog.size))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    (batch,) = evaluation(sequences)
    assert np.allclose(ease.scores(batch)[:, 1:].numpy(), (seen @ weights)[batch.user.numpy()], atol=1e-5)
    assert ease.parameters == catalog.size**2


def test_ease_values_out_of_range(data: tuple[Sequences, Catalog]) -> None:
    text = r"^baseline.regularization must be positive, got 0. Set baseline.regularization.$"
    with pytest.raises(ValueError, match=text):
        Ease(regularization=0)
    text = (
        "^EASE needs a matrix of 25 x 25; baseline.max_items is 24. "
        "Raise it if the memory is there, or choose baseline=popularity.$"
    )
    with pytest.raises(ValueError, match=text):
        Ease(max_items=24).fit(*data)

"""What every baseline of ``conf/baseline`` promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Batch, Catalog, Sequences
from tests.members import member, members

BASELINES = members("baseline")
Data = tuple[Sequences, Catalog]
Evaluation = Callable[..., list[Batch]]


@pytest.mark.parametrize("choice", BASELINES)
def test_finite_scores_for_every_item_whatever_the_batch(choice: str, data: Data, evaluation: Evaluation) -> None:
    sequences, catalog = data
    baseline = member("baseline", choice, root="baseline")
    baseline.fit(sequences, catalog)
    (batch,) = evaluation(sequences)
    whole = baseline.scores(batch)
    assert whole.shape == (len(batch), catalog.size + 1)
    assert whole.dtype == torch.float32
    assert torch.isfinite(whole).all()
    assert torch.allclose(torch.cat([baseline.scores(b) for b in evaluation(sequences, 7)]), whole, atol=1e-6)
    assert isinstance(baseline.parameters, int)


@pytest.mark.parametrize("choice", BASELINES)
def test_a_batch_with_repeated_items_stays_as_it_is(choice: str, data: Data, evaluation: Evaluation) -> None:
    sequences, catalog = data
    repeated = Sequences(sequences.items % 4 + 1, sequences.offsets, sequences.role, sequences.users)
    baseline = member("baseline", choice, root="baseline")
    baseline.fit(repeated, catalog)
    (batch,), (same,) = evaluation(repeated), evaluation(repeated)
    baseline.scores(batch)
    assert batch.seen is not None
    assert same.seen is not None
    assert len(set(batch.seen.tolist())) < len(batch.seen)
    for name in ("user", "history", "length", "target", "seen", "seen_offsets"):
        assert torch.equal(getattr(batch, name), getattr(same, name)), name


@pytest.mark.parametrize("choice", BASELINES)
def test_nothing_is_learnt_from_what_is_held_out(choice: str, data: Data, evaluation: Evaluation) -> None:
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


@pytest.mark.parametrize("choice", BASELINES)
def test_what_counts_in_training_changes_it(choice: str, data: Data, evaluation: Evaluation) -> None:
    sequences, catalog = data
    changed = Sequences(sequences.items[::-1].copy(), sequences.offsets, sequences.role, sequences.users)
    counts = np.bincount(changed.items[changed.role == 0], minlength=catalog.size + 1)
    (batch,) = evaluation(sequences)
    found = []
    for learnt, known in ((sequences, catalog), (changed, Catalog(catalog.items, counts))):
        baseline = member("baseline", choice, root="baseline")
        baseline.fit(learnt, known)
        found.append(baseline.scores(batch))
    assert not torch.equal(*found)

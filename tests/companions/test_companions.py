"""InfoNCE by hand, what each companion promises, and what DuoRec takes for a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.companions.cl4srec import CL4SRec
from rec_lightning.companions.duorec import DuoRec, same_target
from rec_lightning.companions.info_nce import info_nce
from rec_lightning.contracts import Batch
from tests.members import member, members

KINDS = [kind for kind in members("companion") if kind != "none"]


@pytest.mark.parametrize("cosine", [True, False])
def test_info_nce_equals_the_formula(cosine: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    views = np.concatenate([one.numpy(), two.numpy()]).astype(float)
    if cosine:
        views /= np.linalg.norm(views, axis=1, keepdims=True)
    total = 0.0
    for i in range(10):
        scores = {j: views[i] @ views[j] / 0.5 for j in range(10) if j != i}
        total += -scores[(i + 5) % 10] + np.log(sum(np.exp(s) for s in scores.values()))
    assert info_nce(one, two, 0.5, cosine).item() == pytest.approx(total / 10, abs=1e-5)


def test_the_pair_of_a_row_ends_at_another_position_with_its_target() -> None:
    #                          row 0 asks for 7 after two items, row 1 for 7 after one, row 2 for 9, row 3 for 3
    target = torch.tensor([[5, 7, 0], [7, 0, 0], [7, 5, 9], [7, 3, 3]])
    length = torch.tensor([2, 1, 3, 3])
    torch.manual_seed(0)
    found: list[set[tuple[int, int]]] = [set() for _ in range(4)]
    for _ in range(200):
        row, place = same_target(target, length)
        for b in range(4):
            found[b].add((int(row[b]), int(place[b])))
    assert found[0] == {(1, 0), (2, 0), (3, 0)}
    assert found[1] == {(0, 1), (2, 0), (3, 0)}
    assert found[2] == {(2, 2)}  # no other: itself
    assert found[3] == {(3, 1)}


def test_rows_without_a_last_target_are_paired_with_themselves() -> None:
    row, place = same_target(torch.tensor([[5, 0], [5, 0]]), torch.tensor([2, 2]))
    assert row.tolist() == [0, 1]
    assert place.tolist() == [1, 1]


class Spy:
    """Encodes a history as the sum of its vectors, and keeps what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Batch, Tensor]] = []

    def __call__(self, batch: Batch, vectors: Tensor) -> Tensor:
        real = torch.arange(vectors.shape[1]) < batch.length.unsqueeze(1)
        self.calls.append((batch, vectors))
        return (vectors * real.unsqueeze(2)).sum(1)


@pytest.mark.parametrize("kind", KINDS)
def test_two_passes_over_right_padded_views_of_the_items_vectors(kind: str, batch: Any) -> None:
    companion, spy = member("companion", kind), Spy()
    given, vectors = batch([3, 8, 5, 1], items=20), torch.randn(21, 16, requires_grad=True)
    before = given.history.clone()
    torch.manual_seed(0)
    value = companion(given, vectors, spy)
    value.backward()
    assert torch.isfinite(value)
    assert vectors.grad is not None
    assert vectors.grad.any()
    assert torch.equal(given.history, before)
    assert len(spy.calls) == 2
    for view, of_items in spy.calls:
        assert of_items.shape == (4, 8, 16)
        assert (view.length >= 1).all()
        assert ((view.history > 0) == (torch.arange(8) < view.length.unsqueeze(1))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_views_follow_the_generator(kind: str, batch: Any) -> None:
    companion, given, vectors = member("companion", kind), batch([7, 8, 5, 6], items=4), torch.randn(5, 16)
    values = []
    for seed in (1, 1, 2, 3):
        torch.manual_seed(seed)
        values.append(companion(given, vectors, Spy()).item())
    assert values[0] == values[1]
    assert len(set(values)) > 1


def test_hidden_items_get_the_learnt_vector(batch: Any) -> None:
    from rec_lightning.companions.augmentations.mask import Mask

    companion, spy = CL4SRec(16, {"mask": Mask(0.5)}), Spy()
    companion(batch([8, 8], items=20), torch.zeros(21, 16), spy).backward()
    of_items = spy.calls[0][1]
    assert (of_items == companion.hidden).all(2).sum(1).tolist() == [4, 4]
    assert companion.hidden.grad is not None


@pytest.mark.parametrize("name", ["weight", "temperature"])
def test_values_out_of_range(name: str) -> None:
    text = rf"^companion.{name} must be positive, got 0. Set companion.{name}, or companion=none.$"
    with pytest.raises(ValueError, match=text):
        DuoRec(**{name: 0})


def test_no_augmentation_is_refused() -> None:
    text = r"^companion.augmentations must name at least one, got none. Set companion.augmentations.$"
    with pytest.raises(ValueError, match=text):
        CL4SRec(16, {})

"""Ids that start from vectors: the reduction against NumPy, the spread, the control."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog
from rec_lightning.items.id import IdItems
from rec_lightning.items.text_init import InitialisedItems, Reduction, reduce
from rec_lightning.items.text_vectors import TextVectors
from rec_lightning.language_models import load

N, H, D = 60, 10, 4
CATALOG = Catalog(pl.DataFrame({"item": range(N)}), np.ones(N + 1, np.int64))


def vectors(_: Catalog | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(H, H, generator=generator)
    return 5 + torch.randn(N, H, generator=generator) @ mixing


@pytest.mark.parametrize("reduction", ["whitening", "pca"])
def test_the_reduction_is_that_of_a_singular_value_decomposition_up_to_signs(reduction: Reduction) -> None:
    centred = vectors().double().numpy() - vectors().double().numpy().mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    reference = left[:, :D] * (N**0.5 if reduction == "whitening" else singular[:D])
    found = reduce(vectors(), D, reduction)
    assert np.allclose(found.abs(), np.abs(reference), rtol=1e-4, atol=1e-4)
    spread = found.std(0, correction=0)
    assert torch.allclose(spread, torch.ones(D), atol=1e-4) == (reduction == "whitening")


def test_the_sign_of_a_direction_does_not_hang_on_the_order_of_the_items() -> None:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(reduce(vectors()[order], D, "pca"), reduce(vectors(), D, "pca")[order], atol=1e-4)


@pytest.mark.parametrize("reduction", ["whitening", "pca"])
def test_the_table_has_the_usual_spread_and_keeps_what_is_near(reduction: Reduction) -> None:
    items = InitialisedItems(CATALOG, H, vectors, reduction, std=0.3)
    table = items.table().detach()
    assert table[1:].std().item() == pytest.approx(0.3, rel=1e-5)
    assert not table[0].any()
    if reduction == "pca":  # all directions kept: a rotation, so that distances are those of the vectors
        ratio = torch.pdist(table[1:]) / torch.pdist(vectors())
        assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-3)


def test_the_control_has_the_same_vectors_at_other_items() -> None:
    right = InitialisedItems(CATALOG, D, vectors).table().detach()
    control, same, other = (
        InitialisedItems(CATALOG, D, vectors, permute=True, seed=seed).table().detach() for seed in (1, 1, 2)
    )
    assert torch.equal(control, same)
    assert not torch.equal(control, other)
    assert not control[0].any()
    assert (control != right).any(1).sum() > N // 2
    assert torch.equal(control[control[:, 0].argsort()], right[right[:, 0].argsort()])


def test_directions_beyond_the_rank_start_at_random() -> None:
    flat = vectors()[:, :3] @ torch.randn(3, H, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(5)
    usual = InitialisedItems(CATALOG, 8, vectors, std=0.1)
    torch.manual_seed(5)
    items = InitialisedItems(CATALOG, 8, lambda _: flat, std=0.1)
    assert reduce(flat, 8, "whitening").shape == (N, 3)
    assert torch.isfinite(items.table()).all()
    assert items.table()[1:, 3:].std().item() == pytest.approx(0.1, rel=0.2)
    assert not torch.equal(items.table()[:, :3], usual.table()[:, :3])


def test_items_without_events_start_from_their_vectors_and_are_not_said_to_start_at_zero() -> None:
    cold = Catalog(CATALOG.items, np.array([0, 0, 0, *[1] * (N - 2)]))
    assert IdItems(cold, D).choice == "2 of 60 items have no training event, so their vectors start at zero"
    items = InitialisedItems(cold, D, vectors)
    assert items.choice is None
    assert items.table()[1:3].abs().min() > 0


def test_equal_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^the vectors of all items are equal, so they tell nothing. Set items"):
        reduce(torch.ones(N, H), D, "pca")


def test_no_language_model_is_left_and_the_checkpoint_is_that_of_ids(
    cache: Path, catalog: Catalog, language_model: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loaded = language_model("bert"), list[weakref.ref[nn.Module]]()

    def watched(name: str) -> Any:
        tokenizer, encoder = load(name)
        loaded.append(weakref.ref(encoder))
        return tokenizer, encoder

    monkeypatch.setattr("rec_lightning.items.text.load", watched)
    items = InitialisedItems(catalog, 8, TextVectors(model, max_tokens=20))
    gc.collect()
    assert [ref() for ref in loaded] == [None]
    assert list(items.state_dict()) == ["embedding.weight"]
    # encoded once ever
    monkeypatch.setattr("rec_lightning.items.hidden._encode", lambda *_: pytest.fail("it lies on disk"))
    again = InitialisedItems(catalog, 8, TextVectors(model, max_tokens=20))
    assert torch.equal(again.table(), items.table())
    # equal titles start equal
    assert torch.allclose(items.table()[3], items.table()[4], atol=1e-5)

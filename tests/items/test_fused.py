"""Fusions by hand, and parts that cannot be named so."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog
from rec_lightning.items.fused import FusedItems
from rec_lightning.items.id import IdItems

D = 4


def fused(catalog: Catalog, fusion: Any, parts: int = 3) -> FusedItems:
    torch.manual_seed(0)
    return FusedItems(catalog, D, {f"p{k}": partial(IdItems, std=1.0) for k in range(parts)}, fusion)


def tables(items: FusedItems) -> list[Tensor]:
    return [part.table().detach() for part in items.parts.values()]  # type: ignore[operator]


def test_a_sum(catalog: Catalog) -> None:
    items = fused(catalog, "sum")
    a, b, c = tables(items)
    assert torch.allclose(items.table(), a + b + c)
    assert set(items.state_dict()) == {f"parts.p{k}.embedding.weight" for k in range(3)}


def test_a_concatenation(catalog: Catalog) -> None:
    items = fused(catalog, "concat")
    assert items.mix is not None
    expected = sum(t @ w.T for t, w in zip(tables(items), items.mix.weight.split(D, 1), strict=True))
    assert torch.allclose(items.table(), expected, atol=1e-6)  # type: ignore[arg-type]


def test_a_gate_starts_as_the_mean_and_weighs_each_dimension_of_each_item(catalog: Catalog) -> None:
    items = fused(catalog, "gate")
    parts = torch.stack(tables(items))
    assert torch.allclose(items.table(), parts.mean(0), atol=1e-6)
    assert items.gate is not None
    with torch.no_grad():
        items.gate.weight.normal_()
        items.gate.bias.normal_()
    scores = torch.cat(tables(items), 1) @ items.gate.weight.T + items.gate.bias
    weights = torch.stack(scores.split(D, 1)).softmax(0)
    assert torch.allclose(items.table(), (weights * parts).sum(0), atol=1e-5)
    assert weights[:, 1:].std(1).min() > 0  # no two items are weighed alike
    assert not items.table()[0].any()
    some = torch.tensor([3, 0, 7])
    assert torch.allclose(items.vectors(some), items.table()[some], atol=1e-6)


def test_one_part_is_no_fusion(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match=r"^items.parts must name at least two encoders, got \['p0'\]. Set items.par"):
        fused(catalog, "sum", 1)


@pytest.mark.parametrize("name", ["values", "a.b"])
def test_a_name_that_no_weight_can_carry(name: str, catalog: Catalog) -> None:
    with pytest.raises(ValueError, match=rf"^items.parts must have names that are free in PyTorch, got {name!r}."):
        FusedItems(catalog, D, {name: IdItems, "id": IdItems})

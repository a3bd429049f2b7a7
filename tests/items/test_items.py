"""What every item encoder of ``conf/items`` promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from rec_lightning.contracts import Catalog, ItemEncoder
from tests.members import composed, member, members

ITEMS = members("items")


@pytest.fixture
def make(cache: Path, catalog: Catalog, language_model: Callable[..., str]) -> Callable[[str], ItemEncoder]:
    """Each choice with the tiny language model wherever a model and a template are asked for."""

    def build(choice: str) -> ItemEncoder:
        config, overrides = composed("items", choice), list[str]()
        for path in ("items", *(f"items.parts.{name}" for name in config.get("parts", {}))):
            node = config if path == "items" else config.parts[path.rpartition(".")[2]]
            given = {"model": language_model("bert"), "template": '"{title}"', "max_tokens": 20, "fresh": 4}
            overrides += [f"{path}.{key}={value}" for key, value in given.items() if key in node]
        torch.manual_seed(0)
        built: ItemEncoder = member("items", choice, *overrides)(catalog=catalog)
        return built

    return build


@pytest.mark.parametrize("choice", ITEMS)
def test_the_padding_is_zero_and_vectors_are_rows_of_the_table(
    choice: str, make: Callable[[str], ItemEncoder], catalog: Catalog
) -> None:
    items = make(choice)
    assert (items.width, items.size) == (16, catalog.size)
    assert isinstance(items, nn.Module)
    items.eval()
    table = items.table()
    assert table.shape == (catalog.size + 1, 16)
    assert not table[0].any()
    assert table[1:].any(1).all()
    some = torch.tensor([0, 7, 2, 12, 3])
    assert torch.allclose(items.vectors(some), table[some], atol=1e-6)
    assert torch.equal(items.table(), table)


@pytest.mark.parametrize("choice", ITEMS)
def test_the_padding_stays_zero_after_a_step(choice: str, make: Callable[[str], ItemEncoder]) -> None:
    items = make(choice)
    assert isinstance(items, nn.Module)
    optimizer = torch.optim.AdamW(items.parameters(), lr=0.1, weight_decay=0.1)
    for vectors in (items.table, lambda: items.vectors(torch.arange(items.size + 1))):
        (vectors() - 1).square().sum().backward()
        optimizer.step()
        assert not items.table()[0].any()
    assert not items.eval().table()[0].any()


@pytest.mark.parametrize("choice", ITEMS)
def test_everything_in_it_gets_a_gradient(choice: str, make: Callable[[str], ItemEncoder]) -> None:
    items = make(choice)
    (items.table() * torch.randn(items.size + 1, 16)).sum().backward()
    dead = [n for n, p in items.named_parameters() if p.grad is None or not p.grad.any()]  # type: ignore[attr-defined]
    # a bias on the keys shifts all scores of a query alike, so its gradient is zero but for rounding
    assert not [n for n in dead if "token_type" not in n and "key.bias" not in n]


@pytest.mark.parametrize("choice", ITEMS)
def test_its_trunk_can_be_taken_out_and_put_back(choice: str, make: Callable[[str], ItemEncoder]) -> None:
    items = make(choice)
    assert isinstance(items, nn.Module)
    names, trunk = set(items.state_dict()), items.trunk  # type: ignore[attr-defined]
    items.set_trunk(trunk)  # type: ignore[attr-defined]
    assert set(items.state_dict()) == names
    inside = {id(p) for p in trunk.parameters()}
    assert inside
    assert inside <= {id(p) for p in items.parameters()}


@pytest.mark.parametrize("choice", ITEMS)
def test_is_put_together_without_data_and_without_weights(choice: str, make: Callable[[str], ItemEncoder]) -> None:
    with torch.device("meta"):
        items = make(choice)
    assert all(p.is_meta for p in items.parameters())  # type: ignore[attr-defined]

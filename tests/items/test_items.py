"""What every item encoder of ``conf/items`` promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import DictConfig
from torch import nn

from rec_lightning.contracts import Catalog, ItemEncoder
from rec_lightning.tasks.lean import lean_state
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.frozen import Frozen
from rec_lightning.tuning.full import Full
from tests.members import composed, member, members

ITEMS = members("items")
Make = Callable[..., ItemEncoder]


@pytest.fixture
def catalog(catalog: Catalog) -> Catalog:
    """With genres, one film without any."""
    genres = [["crime", "drama"], [], ["drama"], ["war"]] * 3
    return Catalog(catalog.items.with_columns(genres=pl.Series(genres)), catalog.popularity)


def options(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """(node, option) of every option inside."""
    for key, value in node.items():
        yield path, str(key)
        if isinstance(value, DictConfig):
            yield from options(value, f"{path}.{key}")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One vector of 24 an item."""
    file = tmp_path_factory.mktemp("vectors") / "vectors.npy"
    np.save(file, np.random.default_rng(0).standard_normal((12, 24)))
    return file


@pytest.fixture
def make(cache: Path, vectors: Path, catalog: Catalog, language_model: Callable[..., str]) -> Make:
    """Each choice with the tiny language model and the small file wherever one is asked for."""
    given = {"model": language_model("bert"), "template": '"{title}"', "max_tokens": 20, "fresh": 4}
    given |= {"path": str(vectors), "max_distinct": 1.0}

    def build(choice: str, *more: str, of: Catalog = catalog) -> ItemEncoder:
        try:
            config = composed("items", choice, *more)
        except ValueError as error:
            gap = re.match(r"(\S+) must be given", str(error))  # the file
            assert gap
            config = composed("items", choice, f"{gap[1]}=x", *more)
        overrides = [f"{path}.{key}={given[key]}" for path, key in options(config, "items") if key in given]
        torch.manual_seed(0)
        built: ItemEncoder = member("items", choice, *overrides, *more)(catalog=of)
        return built

    return build


@pytest.mark.parametrize("choice", ITEMS)
def test_the_padding_is_zero_and_vectors_are_rows_of_the_table(choice: str, make: Make, catalog: Catalog) -> None:
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
def test_the_padding_stays_zero_after_a_step(choice: str, make: Make) -> None:
    items = make(choice)
    assert isinstance(items, nn.Module)
    optimizer = torch.optim.AdamW(items.parameters(), lr=0.1, weight_decay=0.1)
    for vectors in (items.table, lambda: items.vectors(torch.arange(items.size + 1))):
        (vectors() - 1).square().sum().backward()
        optimizer.step()
        assert not items.table()[0].any()
    assert not items.eval().table()[0].any()


@pytest.mark.parametrize("choice", ITEMS)
def test_everything_in_it_gets_a_gradient(choice: str, make: Make) -> None:
    items = make(choice)
    (items.table() * torch.randn(items.size + 1, 16)).sum().backward()
    dead = [n for n, p in items.named_parameters() if p.grad is None or not p.grad.any()]  # type: ignore[attr-defined]
    # a bias on the keys shifts all scores of a query alike, so its gradient is zero but for rounding
    assert not [n for n in dead if "token_type" not in n and "key.bias" not in n]


@pytest.mark.parametrize("choice", ITEMS)
def test_its_trunk_can_be_taken_out_and_put_back(choice: str, make: Make) -> None:
    items = make(choice)
    assert isinstance(items, nn.Module)
    names, trunk = set(items.state_dict()), items.trunk  # type: ignore[attr-defined]
    items.set_trunk(trunk)  # type: ignore[attr-defined]
    assert set(items.state_dict()) == names
    inside = {id(p) for p in trunk.parameters()}
    assert inside
    assert inside <= {id(p) for p in items.parameters()}


@pytest.mark.parametrize("choice", ITEMS)
def test_is_put_together_without_data_and_without_weights(choice: str, make: Make) -> None:
    with torch.device("meta"):
        items = make(choice)
    assert all(p.is_meta for p in items.parameters())  # type: ignore[attr-defined]


@pytest.mark.parametrize("choice", ITEMS)
def test_is_put_together_without_any_item(choice: str, make: Make, catalog: Catalog) -> None:
    with torch.device("meta"):
        items = make(choice, of=Catalog.empty(catalog.items.columns))
    assert items.size == 0


@pytest.mark.parametrize("choice", ITEMS)
def test_is_the_same_when_made_again(choice: str, make: Make) -> None:
    one, two = make(choice), make(choice)
    assert isinstance(one, nn.Module)
    assert isinstance(two, nn.Module)
    assert torch.equal(one.eval().table(), two.eval().table())  # type: ignore[operator]
    assert lean_state(one).keys() == lean_state(two).keys()


@pytest.mark.parametrize("choice", ITEMS)
def test_a_lean_checkpoint_gives_the_same_vectors(choice: str, make: Make) -> None:
    trained, fresh = make(choice), make(choice)
    assert isinstance(trained, nn.Module)
    assert isinstance(fresh, nn.Module)
    for items in (trained, fresh):
        apply(Frozen() if items.pretrained else Full(), {"items": items})  # type: ignore[dict-item]
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.5)
    state = lean_state(trained)
    assert sum(t.numel() for t in state.values()) < sum(t.numel() for t in trained.state_dict().values()) or (
        not trained.pretrained
    )
    fresh.load_state_dict(state, strict=False)
    assert torch.equal(fresh.eval().table(), trained.eval().table())  # type: ignore[operator]


@pytest.mark.parametrize("fusion", ["sum", "concat", "gate"])
def test_any_parts_go_together_on_the_command_line(fusion: str, make: Make) -> None:
    more = ["+items@items.parts.facts=features", f"items.fusion={fusion}"]
    items = make("id_text", *more)
    assert isinstance(items, nn.Module)
    names = [name.split(".")[1] for name in items.state_dict() if name.startswith("parts.")]
    assert list(dict.fromkeys(names)) == ["id", "text", "facts"]
    alone = make("id_text", "~items.parts.id", "+items@items.parts.facts=features", f"items.fusion={fusion}")
    assert isinstance(alone, nn.Module)
    assert list(alone.parts) == ["text", "facts"]  # type: ignore[arg-type]
    assert torch.isfinite(alone.table()).all()  # type: ignore[operator]

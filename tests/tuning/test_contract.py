"""What every fine-tuning method of ``conf/tuning`` promises, on a language model over item texts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rec_lightning.contracts import Catalog, Tuning
from rec_lightning.items.text import TextItems
from rec_lightning.tasks.lean import check_lean, lean_state
from rec_lightning.tuning.apply import apply
from tests.members import member, members

TUNINGS = members("tuning")
# the only ones whose output may differ from the untouched model's before any step
CHANGES_AT_START: set[str] = set()

Build = Callable[[], TextItems]


@pytest.fixture
def build(cache: Path, catalog: Catalog, language_model: Callable[..., str]) -> Build:
    def fresh() -> TextItems:
        torch.manual_seed(0)
        return TextItems(catalog, 16, language_model("bert"), max_tokens=20, fresh=None)

    return fresh


def tuned(choice: str, build: Build) -> tuple[TextItems, Tuning]:
    items, tuning = build(), member("tuning", choice)
    apply(tuning, {"items": items})
    return items, tuning


def step(items: nn.Module, table: Callable[[], Tensor], steps: int = 3) -> None:
    items.train()
    optimizer = torch.optim.Adam([p for p in items.parameters() if p.requires_grad], lr=0.01)
    aim = torch.randn(table().shape, generator=torch.Generator().manual_seed(3))
    for _ in range(steps):
        optimizer.zero_grad()
        (table() - aim).square().mean().backward()
        optimizer.step()
    items.eval()


@pytest.mark.parametrize("choice", TUNINGS)
def test_the_output_before_any_step_is_that_of_the_model_as_it_came(choice: str, build: Build) -> None:
    items, _ = tuned(choice, build)
    same = torch.allclose(items.eval().table(), build().eval().table(), atol=1e-6)
    assert same == (choice not in CHANGES_AT_START)


@pytest.mark.parametrize("choice", TUNINGS)
def test_only_what_trains_moves_and_all_of_it_does(choice: str, build: Build) -> None:
    items, _ = tuned(choice, build)
    before = {name: p.detach().clone() for name, p in items.named_parameters()}
    step(items, items.table)
    # positions and token types no text has; a bias on the keys shifts all scores of a query alike
    quiet = ("token_type", "position_embeddings", "key.bias")
    for name, parameter in items.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert not moved or parameter.requires_grad, name
        assert moved or not parameter.requires_grad or any(q in name for q in quiet), name


@pytest.mark.parametrize("choice", TUNINGS)
def test_what_was_learnt_speaks_in_eval_mode(choice: str, build: Build) -> None:
    items, _ = tuned(choice, build)
    trunk_trains = any(p.requires_grad for p in items.trunk.parameters())
    everything = torch.arange(13)
    before = items.eval().pooled(everything).detach()
    step(items, items.table)
    after = items.pooled(everything)
    assert torch.equal(before, after) == (not trunk_trains)
    items.train()
    assert torch.allclose(items.pooled(everything), after, atol=1e-6)


@pytest.mark.parametrize("choice", TUNINGS)
def test_merged_gives_the_same_output_from_plain_layers(choice: str, build: Build) -> None:
    items, tuning = tuned(choice, build)
    step(items, items.table)
    reference = items.table().detach()
    # another item encoder around the merged trunk, so that nothing remembered answers for it
    plain = build().eval()
    plain.load_state_dict({n: t for n, t in items.state_dict().items() if not n.startswith("encoder.")}, strict=False)
    plain.set_trunk(tuning.merge(copy.deepcopy(items.trunk)))
    assert torch.allclose(plain.table(), reference, atol=1e-5)
    assert set(plain.state_dict()) == set(build().state_dict())


@pytest.mark.parametrize("choice", TUNINGS)
def test_the_checkpoint_holds_what_was_trained_and_makes_a_fresh_base_the_same(choice: str, build: Build) -> None:
    items, _ = tuned(choice, build)
    step(items, items.table)
    state = {name: tensor.clone() for name, tensor in lean_state(items).items()}
    assert set(state) == {name for name, p in items.named_parameters() if p.requires_grad}
    other, _ = tuned(choice, build)
    check_lean(other, state)
    other.load_state_dict(state, strict=False)
    assert torch.equal(other.eval().table(), items.table())


@pytest.mark.parametrize("choice", TUNINGS)
def test_nothing_matched_is_refused(choice: str) -> None:
    with pytest.raises(ValueError, match=f"^tuning={choice} .*nothing=Identity.*Set tuning"):
        member("tuning", choice)(nn.Identity(), "nothing=Identity", False)


@pytest.mark.parametrize("choice", TUNINGS)
def test_its_rate_is_positive(choice: str) -> None:
    tuning: Any = member("tuning", choice)
    assert tuning.lr_factor > 0
    assert tuning.target in ("items", "backbone", "all")

"""What every fine-tuning method of ``conf/tuning`` promises, on every kind of trunk it is valid for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from rec_lightning.contracts import Aside, Batch, Catalog, Tuning
from rec_lightning.items.text import TextItems
from rec_lightning.tasks.lean import check_lean, lean_state
from rec_lightning.tasks.parameters import parameter_groups
from rec_lightning.tuning.apply import apply
from tests.conftest import WORDS
from tests.tuning import cells

STEPS = 3
# positions and token types no text has; a bias on the keys shifts all scores of a query alike
QUIET = ("token_type", "position_embeddings", "key.bias")


@dataclass
class Tried:
    """A part as it came, tuned, and trained for a few steps."""

    fresh: Callable[[], Any]
    tuned: Callable[[], tuple[Any, Tuning]]
    output: Callable[[Any], Tensor]
    untouched: Tensor  # outputs in eval mode: of the part as it came, ...
    start: Tensor  # ... tuned, before any step
    end: Tensor  # ... and after the steps
    before: Mapping[str, Tensor]  # parameters before the steps
    part: Any
    tuning: Any
    stateful: set[int]  # ids of what the optimizer keeps a state for


@pytest.fixture(scope="module")
def attempt(
    tmp_path_factory: pytest.TempPathFactory, language_model: Callable[..., str]
) -> Iterator[Callable[[str, str], Tried]]:
    generator = np.random.default_rng(0)
    titles = [" ".join(generator.choice(WORDS, 1 + i % 6)) for i in range(12)]
    frame = pl.DataFrame({"item": [f"i{i}" for i in range(12)], "title": titles})
    catalog = Catalog(frame, np.zeros(13, np.int64))
    done: dict[tuple[str, str], Tried] = {}

    def once(choice: str, kind: str) -> Tried:
        if (choice, kind) not in done:
            done[choice, kind] = try_out(choice, kind, catalog, language_model)
        return done[choice, kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield once


def try_out(choice: str, kind: str, catalog: Catalog, language_model: Callable[..., str]) -> Tried:
    def fresh() -> Any:
        return cells.part(kind, catalog, language_model)

    def tuned() -> tuple[Any, Tuning]:
        part, tuning = fresh(), cells.tuning(choice, kind)
        apply(tuning, {cells.slot(kind): part})
        return part.train(), tuning

    def output(part: Any) -> Tensor:
        if cells.slot(kind) == "items":
            return part.table().clone()  # type: ignore[no-any-return]
        return part.states(batch, inputs)  # type: ignore[no-any-return]

    inputs = torch.randn(2, 8, 32, generator=torch.Generator().manual_seed(1))
    ones = torch.ones(2, 8, dtype=torch.long)
    batch = Batch(ones[:, 0], ones, ones.sum(1), ones)
    with torch.no_grad():
        untouched = output(fresh().eval())
        part, tuning = tuned()
        start = output(part.eval())
    before = {name: p.detach().clone() for name, p in part.named_parameters()}
    part.train()
    trunks = [part.trunk] if part.pretrained else []
    optimizer = torch.optim.Adam(parameter_groups(part, trunks, tuning.lr_factor), lr=0.01)
    aim = torch.randn(start.shape, generator=torch.Generator().manual_seed(3))
    for _ in range(STEPS):
        optimizer.zero_grad()
        (output(part) - aim).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        end = output(part.eval())
    return Tried(fresh, tuned, output, untouched, start, end, before, part, tuning, {id(p) for p in optimizer.state})


on_every_valid_cell = pytest.mark.parametrize(("choice", "kind"), cells.VALID)
Attempt = Callable[[str, str], Tried]


@on_every_valid_cell
def test_the_output_before_any_step(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    same = torch.allclose(tried.start, tried.untouched, atol=1e-5)
    # a method that cannot promise it says so
    assert same != getattr(tried.tuning, "changes_output", False)


@on_every_valid_cell
def test_only_what_trains_moves_and_all_of_it_does(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    for name, parameter in tried.part.named_parameters():
        moved = not torch.equal(parameter, tried.before[name])
        assert not moved or parameter.requires_grad, name
        assert moved or not parameter.requires_grad or any(q in name for q in QUIET), name


@on_every_valid_cell
def test_the_optimizer_keeps_states_only_for_what_trains(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    trained = {id(p) for p in tried.part.parameters() if p.requires_grad}
    assert tried.stateful <= trained
    assert trained


@on_every_valid_cell
def test_what_was_learnt_speaks_in_eval_mode(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    if not any(p.requires_grad for p in tried.part.trunk.parameters()):
        return  # a probe: what is around the trunk speaks
    other = tried.fresh().eval()
    around = {n: t for n, t in tried.part.state_dict().items() if n in other.state_dict()}
    other.load_state_dict(around, strict=False)
    # with all that was learnt around the trunk, the trunk still makes a difference
    plain = tried.fresh()
    if kind != "id":
        other.set_trunk(plain.trunk)
        assert not torch.allclose(tried.output(other.eval()), tried.end, atol=1e-3)
    # no dropout is set, so both modes say the same
    assert torch.allclose(tried.output(copy.deepcopy(tried.part).train()), tried.end, atol=1e-5)


@on_every_valid_cell
def test_merged_gives_the_same_output_from_plain_layers(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    # another part around the merged trunk, so that nothing remembered answers for it
    plain = tried.fresh().eval()
    inside = {id(p) for p in tried.part.trunk.parameters()}
    around = {n: p for n, p in tried.part.named_parameters() if id(p) not in inside}
    plain.load_state_dict(around, strict=False)
    plain.set_trunk(tried.tuning.merge(copy.deepcopy(tried.part.trunk)))
    assert torch.allclose(tried.output(plain.eval()), tried.end, atol=1e-5)
    # a method that cannot fold what it learnt says so
    folded = set(plain.state_dict()) == set(tried.fresh().state_dict())
    assert folded == getattr(tried.tuning, "foldable", True)


@on_every_valid_cell
def test_the_checkpoint_makes_a_fresh_base_the_same(choice: str, kind: str, attempt: Attempt) -> None:
    tried = attempt(choice, kind)
    state = {name: tensor.clone() for name, tensor in lean_state(tried.part).items()}
    trained = {name for name, p in tried.part.named_parameters() if p.requires_grad}
    assert trained <= set(state) <= trained | {name for name, _ in tried.part.named_buffers(remove_duplicate=False)}
    other, _ = tried.tuned()
    check_lean(other, state)
    with torch.no_grad():
        # another start, so that nothing is right by chance
        for parameter in other.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    other.load_state_dict(state, strict=False)
    assert torch.equal(tried.output(other.eval()), tried.end)


@on_every_valid_cell
def test_frozen_layers_below_are_taken_from_the_cache_rightly(choice: str, kind: str, attempt: Attempt) -> None:
    items = attempt(choice, kind).part
    if not isinstance(items, TextItems):
        return
    everything = torch.arange(1, 13)
    with torch.no_grad():
        direct = torch.zeros(12, 32)
        for rows, ids, mask in items.tokens.chunks(everything):
            if isinstance(items.encoder, Aside):
                found = items.encoder.frozen(input_ids=ids, attention_mask=mask, output_hidden_states=True)
                layers = [items._pool(states, mask) for states in found.hidden_states]
                direct[rows] = items.encoder.beside(torch.stack(layers, 1))
                continue
            direct[rows] = items._pool(items.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
        assert torch.allclose(items.pooled(everything), direct, atol=1e-5)


@pytest.mark.parametrize("choice", cells.TUNINGS)
def test_nothing_matched_is_refused(choice: str) -> None:
    with pytest.raises(ValueError, match=f"^tuning={choice} .*items=Identity.*Set tuning"):
        cells.tuning(choice, "id")(nn.Identity(), "items=Identity", False)


@pytest.mark.parametrize("choice", cells.TUNINGS)
def test_its_rate_is_positive(choice: str) -> None:
    tuning: Any = cells.tuning(choice, "id")
    assert callable(tuning.lr_factor) or tuning.lr_factor > 0
    assert tuning.target in ("items", "backbone", "all")

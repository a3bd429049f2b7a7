"""Negatives of every kind: drawn as often as they say, and so that the corrected sum is the whole catalogue's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Negatives
from rec_lightning.losses.full_softmax import FullSoftmax
from rec_lightning.losses.negatives.in_batch import InBatch
from rec_lightning.losses.negatives.mixed import Mixed
from rec_lightning.losses.negatives.popularity import Popularity
from rec_lightning.losses.negatives.uniform import Uniform
from rec_lightning.losses.sampled_softmax import SampledSoftmax
from tests.members import member, members

KINDS = members("loss/negatives")
N = 12
POPULARITY = np.array([0, 30, 4, 8, 5, 5, 9, 15, 4, 5, 5, 6, 4])  # 100 in all


def catalog(popularity: list[int] | np.ndarray[Any, Any] = POPULARITY) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(len(popularity) - 1)}), np.array(popularity))


def loss_with(kind: str, count: int, shared: bool) -> SampledSoftmax:
    sampler = member("loss", "sampled_softmax", f"loss/negatives={kind}").draws.sampler
    loss = SampledSoftmax(count, shared, negatives=sampler)
    loss.prepare(catalog())
    return loss


def targets(positions: int, steps: int) -> Tensor:
    """Batches of targets as training has them, in proportion to popularity: (steps, P)."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.from_numpy(POPULARITY).double()
    return torch.multinomial(weight, steps * positions, replacement=True, generator=generator).view(steps, positions)


def occurrences(negatives: Negatives, position: int) -> Tensor:
    """(N + 1,) how often each item is among a position's negatives."""
    items = negatives.items if negatives.items.ndim == 1 else negatives.items[position]
    return torch.bincount(items, minlength=N + 1).double()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_items_are_drawn_as_often_as_their_rate_says(kind: str, shared: bool) -> None:
    torch.manual_seed(0)
    loss, steps = loss_with(kind, 4, shared), 1500
    total, expected = torch.zeros(N + 1, dtype=torch.double), torch.zeros(N + 1, dtype=torch.double)
    everything = torch.arange(1, N + 1)
    for target in targets(6, steps):
        aim = int(target[0])
        total += occurrences(loss.negatives(target), 0) * (torch.arange(N + 1) != aim)
        items = everything if shared else everything.expand(6, N)
        rate = loss.draws.sampler.rate(items, target).double()
        rate = rate if shared else rate[0]
        expected[1:] += rate * (everything != aim)
    assert total[0] == 0
    # counts of rare items have a standard deviation of about their root
    assert torch.allclose(total, expected, rtol=0, atol=4.5 * float(expected.max()) ** 0.5)
    assert ((total - expected).abs()[1:] < 5 * expected[1:].sqrt() + 1).all()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_corrected_denominator_is_without_bias(kind: str, shared: bool) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    keys = 0.3 * torch.randn(N + 1, 8, generator=generator)
    query = torch.randn(1, 8, generator=generator)
    powers = (query @ keys.T).squeeze(0).double().exp()
    loss, steps = loss_with(kind, 4, shared), 2500
    ratios = []
    for target in targets(6, steps):
        negatives = loss.negatives(target)
        items, rate = (x if shared else x[0] for x in (negatives.items, negatives.rate))
        other = items != target[0]
        whole = powers[1:].sum() - powers[target[0]]
        ratios.append(float((powers[items] / rate.double())[other].sum() / whole))
    error = np.std(ratios) / steps**0.5
    assert abs(np.mean(ratios) - 1) < 4 * error
    assert error < 0.03  # else the line above says little


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_many_negatives_give_the_full_softmax(kind: str, shared: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(1, 8, generator=generator), torch.randn(N + 1, 8, generator=generator)
    target = torch.tensor([3])
    torch.manual_seed(0)
    sampler = {"uniform": Uniform(), "popularity": Popularity(0.5)}[kind]
    sampler.prepare(torch.from_numpy(POPULARITY), 200_000, shared)
    items = sampler.draw(target)
    negatives = Negatives(items, sampler.rate(items, target))
    found = SampledSoftmax()(queries, keys, target, negatives).item()
    assert found == pytest.approx(FullSoftmax()(queries, keys, target).item(), abs=0.02)


@pytest.mark.parametrize("kind", ["uniform", "popularity", "in_batch", "mixed"])
def test_a_position_of_its_own_never_draws_its_target(kind: str) -> None:
    loss = loss_with(kind, 6, shared=False)
    target = torch.randperm(N)[:5] + 1  # no two alike, else the batch's own draws could be the target
    for _ in range(200):
        assert not (loss.negatives(target).items == target.unsqueeze(1)).any()


def test_popularity_by_hand() -> None:
    sampler = Popularity(alpha=0.5)
    sampler.prepare(torch.tensor([0, 4, 0, 9, 1]), 3, shared=True)
    items = torch.tensor([1, 2, 3, 4])
    assert sampler.rate(items, torch.tensor([1])).tolist() == pytest.approx([3 * 2 / 6, 0, 3 * 3 / 6, 3 * 1 / 6])
    sampler.prepare(torch.tensor([0, 4, 0, 9, 1]), 3, shared=False)
    assert sampler.rate(items[2:].unsqueeze(0), torch.tensor([1])).tolist() == [pytest.approx([3 * 3 / 4, 3 * 1 / 4])]


def test_alpha_zero_is_uniform_and_items_never_trained_on_are_not_drawn_otherwise() -> None:
    popularity = torch.tensor([0, 5, 0, 1, 0, 0])
    flat, steep = Popularity(0.0), Popularity(1.0)
    for sampler in (flat, steep):
        sampler.prepare(popularity, 2000, shared=True)
    torch.manual_seed(0)
    assert set(flat.draw(torch.tensor([1])).tolist()) == {1, 2, 3, 4, 5}
    assert set(steep.draw(torch.tensor([1])).tolist()) == {1, 3}


def test_the_batch_gives_each_of_its_positions_once() -> None:
    sampler = InBatch()
    target = torch.tensor([1, 1, 7, 3])
    sampler.prepare(torch.from_numpy(POPULARITY), 100, shared=True)
    assert sorted(sampler.draw(target).tolist()) == [1, 1, 3, 7]
    # three other positions, each item 1 with probability .30, item 7 with .15
    assert sampler.rate(torch.tensor([1, 7]), target).tolist() == pytest.approx([3 * 0.3, 3 * 0.15])
    sampler.prepare(torch.from_numpy(POPULARITY), 2, shared=True)
    assert sampler.rate(torch.tensor([1]), target).tolist() == pytest.approx([2 * 3 / 4 * 0.3])


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_of_one_position_has_a_finite_loss(shared: bool) -> None:
    loss = loss_with("in_batch", 4, shared)
    queries, keys, target = torch.randn(1, 4, requires_grad=True), torch.randn(N + 1, 4), torch.tensor([2])
    value = loss(queries, keys, target, loss.negatives(target))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)  # no negative but the target itself
    assert torch.isfinite(queries.grad).all()


def test_a_mixture_splits_the_count() -> None:
    mixed = Mixed({"a": Uniform(), "b": Popularity(1.0)}, {"a": 0.25, "b": 0.75})
    mixed.prepare(torch.from_numpy(POPULARITY), 8, shared=True)
    target = torch.tensor([1, 2])
    assert mixed.draw(target).shape == (8,)
    assert [part.count for part in mixed.parts.values()] == [2, 6]
    assert mixed.rate(torch.tensor([1]), target).tolist() == pytest.approx([2 / 12 + 6 * 0.3])


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_generator_and_leave_no_trace_in_checkpoints(kind: str) -> None:
    loss, target = loss_with(kind, 5, shared=True), torch.tensor([1, 6, 3, 6, 2, 9, 1])
    state = torch.get_rng_state()
    first = [loss.negatives(target).items for _ in range(3)]
    torch.set_rng_state(state)  # what a resumed run does
    assert all(torch.equal(a, loss.negatives(target).items) for a in first)
    assert len({tuple(a.tolist()) for a in first}) == 3  # anew in every step
    assert loss.state_dict() == {}


REFUSED = {
    "alpha": (
        lambda: Popularity(-1.0),
        "loss.negatives.alpha must not be negative, got -1.0. Set loss.negatives.alpha.",
    ),
    "popularity of nothing": (
        lambda: Popularity().prepare(torch.zeros(6, dtype=torch.long), 1, True),
        "negatives by popularity need at least 2 items with interactions in training, got 0 of 5. Choose "
        "loss/negatives=uniform or other data.",
    ),
    "popularity of one": (
        lambda: Popularity().prepare(torch.tensor([0, 0, 4, 0]), 1, False),
        "negatives by popularity need at least 2 items with interactions in training, got 1 of 3. Choose "
        "loss/negatives=uniform or other data.",
    ),
    "batch without popularity": (
        lambda: InBatch().prepare(torch.zeros(6, dtype=torch.long), 1, True),
        "negatives of the batch need each item's popularity, and that of all 5 items is 0. Choose "
        "loss/negatives=uniform or other data.",
    ),
    "shares of others": (
        lambda: Mixed({"a": Uniform()}, {"b": 1.0}),
        "loss.negatives.shares must name the parts (a), got b. Set loss.negatives.shares.",
    ),
    "shares that do not sum to 1": (
        lambda: Mixed({"a": Uniform(), "b": Uniform()}, {"a": 0.5, "b": 0.6}),
        "loss.negatives.shares must be positive and sum to 1, got {'a': 0.5, 'b': 0.6}. Set loss.negatives.shares.",
    ),
    "count too small to share": (
        lambda: loss_with("mixed", 1, True),
        "loss.count must give every part of loss.negatives at least 1, got 1 (uniform 0, in_batch 1). Set loss.count.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, text = REFUSED[case]
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        make()


@pytest.mark.parametrize("shared", [True, False])
def test_targets_of_all_processes_are_those_of_one_batch(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randperm(30, generator=generator)[:12] + 1
    queries, keys = torch.randn(12, 4, generator=generator), torch.randn(31, 4, generator=generator)
    halves = target.split([7, 5])
    losses = []
    for everyone in (False, True):
        loss = SampledSoftmax(count=12, shared=shared, negatives=InBatch(everyone=everyone))
        loss.prepare(catalog(np.arange(31)))
        found = []
        for rank, part in enumerate(halves if everyone else [target]):
            first = 7 * rank
            monkeypatch.setattr(f"{InBatch.__module__}.gathered", lambda own: list(halves))
            monkeypatch.setattr(f"{InBatch.__module__}.mine", lambda parts, first=first: slice(first, None))
            negatives = loss.negatives(part)
            if not shared:  # never a position's own target, and all processes' targets are among them
                assert (negatives.items != part.unsqueeze(1)).all()
                assert torch.isin(negatives.items, target).all()
                assert not torch.isin(negatives.items, part).all() or len(part) == 12
            mine = queries[first : first + len(part)]
            found.append(float(loss(mine, keys, part, negatives)) * len(part) / 12)
        losses.append(sum(found))
    if shared:  # all twelve, whatever their order
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", ["in_batch", "mixed"])
def test_gathered_draws_keep_their_rate_and_the_denominator_without_bias(
    kind: str, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # three processes with 1, 2 and 5 positions; this one is the second, whose own number is no part of the rate
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    keys, query = 0.3 * torch.randn(N + 1, 8, generator=generator), torch.randn(8, generator=generator)
    powers = (keys @ query).double().exp()
    parts = {"in_batch": InBatch(everyone=True), "uniform": Uniform()}
    sampler = parts["in_batch"] if kind == "in_batch" else Mixed(parts, {"in_batch": 0.5, "uniform": 0.5})
    loss = SampledSoftmax(4, shared, negatives=sampler)
    loss.prepare(catalog())
    ratios = []
    for target in targets(8, 2500):
        monkeypatch.setattr(f"{InBatch.__module__}.gathered", lambda own, t=target: list(t.split([1, 2, 5])))
        monkeypatch.setattr(f"{InBatch.__module__}.mine", lambda given: slice(1, 3))
        negatives = loss.negatives(target[1:3])
        items, rate = (x if shared else x[0] for x in (negatives.items, negatives.rate))
        other = items != target[1]
        whole = powers[1:].sum() - powers[target[1]]
        ratios.append(float((powers[items] / rate.double())[other].sum() / whole))
    error = np.std(ratios) / len(ratios) ** 0.5
    assert abs(np.mean(ratios) - 1) < 4 * error
    assert error < 0.03

"""Balancing: each method gives the numbers of its formula, and a task without labels changes nothing."""

from __future__ import annotations

import pytest
import torch

from rec_lightning.balancing.dwa import DWA
from rec_lightning.balancing.fixed import Fixed
from rec_lightning.balancing.gradnorm import GradNorm
from rec_lightning.balancing.nash import Nash
from rec_lightning.balancing.uncertainty import Uncertainty
from tests.members import member, members

ALL = torch.tensor([True, True, True])
AGGREGATING = [choice for choice in members("balancing") if member("balancing", choice)(tasks=3).takes_gradients]


def rows() -> torch.Tensor:
    """Gradients of which the first two are in conflict."""
    return torch.tensor([[1.0, 0.0, 0.5], [-0.6, 1.0, 0.2], [0.3, 0.4, 1.0]], dtype=torch.double)


def directions(choice: str, found: torch.Tensor, there: torch.Tensor = ALL) -> torch.Tensor:
    made = member("balancing", choice)(tasks=len(found))
    out: torch.Tensor = made.directions(found @ found.T, there)
    return out


def test_the_members_that_read_gradients_are_those_of_torchjd() -> None:
    assert AGGREGATING == ["cagrad", "mgda", "nash_mtl", "pcgrad", "upgrad"]


def test_fixed_is_the_sum() -> None:
    assert Fixed(3)(torch.tensor([1.0, 2.0, 4.0]), ALL) == 7


def test_uncertainty_divides_by_the_variance() -> None:
    made, loss = Uncertainty(2), torch.tensor([3.0, 5.0])
    both = torch.tensor([True, True])
    assert made(loss, both) == 8
    with torch.no_grad():
        made.log_variance.copy_(torch.tensor([0.5, -1.0]))
    expected = 3 * torch.tensor(-0.5).exp() + 5 * torch.tensor(1.0).exp() + (0.5 - 1.0) / 2
    assert torch.allclose(made(loss, both), expected)
    made(torch.tensor([3.0, 0.0]), torch.tensor([True, False])).backward()
    assert made.log_variance.grad is not None
    assert made.log_variance.grad[1] == 0
    assert torch.allclose(made.log_variance.grad[0], 0.5 - 3 * torch.tensor(-0.5).exp())


def test_dwa_weighs_by_the_ratio_of_two_epochs() -> None:
    made = DWA(2, temperature=2.0)
    made.end_epoch(torch.tensor([4.0, 4.0]))
    assert made.weight.tolist() == [1, 1]
    made.end_epoch(torch.tensor([4.0, 2.0]))
    ratio = torch.tensor([1.0, 0.5]) / 2
    assert torch.allclose(made.weight, 2 * ratio.exp() / ratio.exp().sum())
    made.end_epoch(torch.tensor([2.0, float("nan")]))  # no labels in this epoch
    assert torch.allclose(made.weight, 2 * (torch.tensor([0.5, 1.0]) / 2).softmax(0))


def test_gradnorm_moves_weights_towards_equal_norms() -> None:
    made, both = GradNorm(2, alpha=0.0, lr=0.1), torch.tensor([True, True])
    made.observe(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 1.0]), both)
    # the mean norm is 2: the first weight falls by 0.1 * 3, the second rises by 0.1 * 1, then both sum to 2
    assert torch.allclose(made.weight, torch.tensor([0.7, 1.1]) * 2 / 1.8)
    slow = GradNorm(2, alpha=0.0, lr=0.001)
    for _ in range(1000):
        slow.observe(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 1.0]), both)
    assert torch.allclose(slow.weight, torch.tensor([0.5, 1.5]), atol=0.01)


def test_gradnorm_helps_the_task_that_learns_slowly() -> None:
    made, both = GradNorm(2, alpha=1.0, lr=0.01), torch.tensor([True, True])
    for losses in ([1.0, 1.0], [1.0, 0.5], [1.0, 0.5]):
        made.observe(torch.tensor(losses), torch.tensor([1.0, 1.0]), both)
    assert made.weight[0] > 1 > made.weight[1]


def test_gradnorm_keeps_a_task_without_labels() -> None:
    made = GradNorm(2)
    made.observe(torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.0]), torch.tensor([True, False]))
    assert made.weight.tolist() == [1, 1]
    assert made.first[1].isnan()


def test_pcgrad_takes_from_a_gradient_what_runs_against_another() -> None:
    found = rows()[:2]
    one, two = found
    product = one @ two
    expected = (one - product / (two @ two) * two) + (two - product / (one @ one) * one)
    assert torch.allclose(directions("pcgrad", found, ALL[:2]) @ found, expected)


def test_mgda_is_the_shortest_mixture() -> None:
    found = rows()[:2]
    one, two = found
    share = ((two - one) @ two / (one - two).square().sum()).clamp(0, 1)
    weights = directions("mgda", found, ALL[:2])
    assert torch.allclose(weights, torch.stack([share, 1 - share]), atol=1e-2)


@pytest.mark.parametrize("choice", ["mgda", "upgrad"])
def test_no_task_loses_by_the_common_direction(choice: str) -> None:
    assert (rows() @ (directions(choice, rows()) @ rows()) > -1e-3).all()


@pytest.mark.parametrize("choice", ["pcgrad", "upgrad"])
def test_gradients_without_conflict_stay_as_they_are(choice: str) -> None:
    weights = directions(choice, torch.eye(3, dtype=torch.double))
    assert torch.allclose(weights, weights[0].expand(3), atol=1e-3)


@pytest.mark.parametrize("choice", AGGREGATING)
def test_a_task_without_a_gradient_takes_no_part(choice: str) -> None:
    few, there = rows().clone(), torch.tensor([True, False, True])
    few[1] = 0
    found = directions(choice, few, there)
    alone = directions(choice, rows()[[0, 2]], ALL[:2])
    assert torch.allclose(found[[0, 2]], alone, atol=1e-4)
    assert found[1] == 0
    assert directions(choice, torch.zeros(3, 3, dtype=torch.double)).tolist() == [0, 0, 0]
    assert directions(choice, rows(), torch.tensor([False, True, False])).tolist() == [0, 1, 0]


def test_nash_goes_on_from_where_it_was() -> None:
    steps = [
        rows() + 0.1 * torch.randn(3, 3, dtype=torch.double, generator=torch.Generator().manual_seed(n))
        for n in range(4)
    ]
    whole = member("balancing", "nash_mtl")(tasks=3)
    answers = [whole.directions(found @ found.T, ALL) for found in steps]
    half = member("balancing", "nash_mtl")(tasks=3)
    for found in steps[:2]:
        half.directions(found @ found.T, ALL)
    again = member("balancing", "nash_mtl")(tasks=3)
    again.load_resume_state(half.resume_state())
    for found, answer in zip(steps[2:], answers[2:], strict=True):
        assert torch.equal(again.directions(found @ found.T, ALL), answer)


def test_nash_keeps_its_answer_between_bargains() -> None:
    made = member("balancing", "nash_mtl", "balancing.every=2")(tasks=3)
    first = made.directions(rows() @ rows().T, ALL)
    assert torch.equal(made.directions(rows().flip(0) @ rows().flip(0).T, ALL), first)
    assert not torch.equal(made.directions(rows().flip(0) @ rows().flip(0).T, ALL), first)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"balancing.temperature must be positive, got 0"):
        DWA(2, temperature=0.0)
    with pytest.raises(ValueError, match=r"balancing.alpha must be at least 0, got -1"):
        GradNorm(2, alpha=-1.0)
    with pytest.raises(ValueError, match=r"balancing.lr must be positive, got 0"):
        GradNorm(2, lr=0.0)
    with pytest.raises(ValueError, match=r"balancing.every must be at least 1, got 0"):
        Nash(2, print, every=0)

"""Regularizers: known answers on functions with known slopes, no side effects, both tasks, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Pass
from rec_lightning.regularizers.fgm import FGM
from rec_lightning.regularizers.freelb import FreeLB
from rec_lightning.regularizers.pgd import PGD
from rec_lightning.regularizers.rdrop import RDrop, apart
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.family import check_family
from tests.members import member, members
from tests.tasks import test_scoring, test_sequence

CHOICES = [choice for choice in members("regularizer") if choice != "none"]
# rows of length 5, 13 and the padding: the mean length is 9
VECTORS = torch.tensor([[0.0, 0.0], [3.0, 4.0], [5.0, 12.0]])
SLOPES = torch.tensor([[9.0, 9.0], [0.0, 2.0], [3.0, 4.0]])  # units: (0, 1) and (.6, .8)


def linear(vectors: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
    return (vectors * SLOPES).sum(), lambda: vectors


CLEAN = 8.0 + 15.0 + 48.0
GAIN = 0.1 * 9 * (2.0 + 5.0)  # each row moved by a tenth of the mean length along its slope; the padding stays


@pytest.mark.parametrize("frozen", [True, False])
def test_adversaries_on_a_linear_loss(frozen: bool) -> None:
    vectors = VECTORS.clone().requires_grad_(not frozen)
    assert float(FGM(0.1, 0.5)(vectors, linear).detach()) == pytest.approx(CLEAN + 0.5 * (CLEAN + GAIN))
    # two steps of a quarter stay inside, three of a half end at the edge
    assert float(PGD(0.1, 1.0, 2, 0.25)(vectors, linear).detach()) == pytest.approx(2 * CLEAN + GAIN / 2)
    assert float(PGD(0.1, 1.0, 3, 0.5)(vectors, linear).detach()) == pytest.approx(2 * CLEAN + GAIN)
    # places at 0, .4, .8 and, held, 1
    assert float(FreeLB(0.1, 4, 0.4, 0.0)(vectors, linear).detach()) == pytest.approx(
        CLEAN + GAIN * (0 + 0.4 + 0.8 + 1) / 4
    )


def test_the_random_start_is_inside_the_ball() -> None:
    seen: list[Tensor] = []

    def once(vectors: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        seen.append((vectors - VECTORS).detach())
        return linear(vectors)

    FreeLB(0.1, 3)(VECTORS, once)
    assert all(float(move.norm(dim=1).max()) <= 0.9 * (1 + 1e-6) for move in seen)
    assert all(not move[0].any() for move in seen)
    assert float(seen[0].norm()) > 0


def test_rdrop_on_known_distributions() -> None:
    said = iter([torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]])])
    losses = iter([torch.tensor(1.0), torch.tensor(3.0)])

    def once(vectors: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        mine = next(said)
        return next(losses), lambda: mine

    one = 0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.2)
    other = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert float(RDrop(4.0)(VECTORS, once)) == pytest.approx(2.0 + 4 * (one + other) / 2)
    assert float(apart(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0]))) == pytest.approx((1 + 9) / 4)


def scoring(regularizer: Any, kind: str = "binary") -> Any:
    head = member("head", "mlp", "head.dropout=0.5")
    learner = test_scoring.silent(test_scoring.task(kind, head=head, regularizer=regularizer)).train()
    return learner, test_scoring.batch_of(kind)


def sequence(regularizer: Any) -> Any:
    backbone = SASRec(width=16, max_length=8, dropout=0.5)
    learner = test_sequence.task(backbone=backbone)
    learner.regularizer = regularizer
    return learner.train(), test_sequence.training_batch()


def losses_of(made: Callable[[Any], Any], regularizer: Any) -> Tensor:
    torch.manual_seed(1)
    learner, batch = made(regularizer)
    learner.log = lambda *_, **__: None
    loss: Tensor = learner.training_step(batch, 0)
    # nothing was added up before the backward pass, which is the trainer's: so accumulation is its own as well
    assert all(p.grad is None for p in learner.parameters())
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in learner.parameters() if p.grad is not None)
    assert any(p.grad is not None and p.grad.any() for p in learner.items.parameters())
    return loss.detach()


@pytest.mark.parametrize("made", [scoring, sequence])
@pytest.mark.parametrize("choice", CHOICES)
def test_both_tasks_train_with_it(choice: str, made: Callable[[Any], Any]) -> None:
    assert losses_of(made, member("regularizer", choice)) != losses_of(made, None)


@pytest.mark.parametrize("kind", ["number", "classes"])
@pytest.mark.parametrize("choice", ["fgm", "rdrop"])
def test_numbers_and_classes_too(choice: str, kind: str) -> None:
    losses_of(lambda regularizer: scoring(regularizer, kind), member("regularizer", choice))


def test_an_attack_raises_the_loss_and_training_against_it_withstands_more() -> None:
    """Ten users learnt by heart; the same attack costs the model less that was trained against it."""
    costs = {}
    for name, regularizer in (("plain", None), ("hardened", FGM(0.5))):
        learner = test_scoring.task(regularizer=regularizer)
        batch = test_scoring.batch_of()
        test_scoring.learnt(learner, batch, 60)
        learner.regularizer = FGM(0.5)
        both = float(learner.training_step(batch, 0).detach())
        learner.regularizer = None
        clean = float(learner.training_step(batch, 0).detach())
        costs[name] = both - 2 * clean
    assert costs["plain"] > 2 * costs["hardened"] > 0


def test_an_attack_at_evaluation_is_the_one_of_training() -> None:
    learner, batch = test_scoring.silent(test_scoring.task()).eval(), test_scoring.batch_of()
    learner.on_test_epoch_start()
    clean, moved = learner.predict(batch), learner.attacked(batch, 0.5)
    losses = [torch.nn.functional.binary_cross_entropy(found.value, found.label).item() for found in (clean, moved)]
    learner.regularizer = FGM(0.5)
    assert learner.training_step(batch, 0).item() == pytest.approx(sum(losses), rel=1e-4)
    assert torch.equal(learner.predict(batch).value, clean.value)  # nothing stays moved


@pytest.mark.parametrize(
    ("head", "regularizer", "message"),
    [
        ("bias", FGM(), "regularizer=fgm moves item vectors, and this head reads none"),
        ("constant", PGD(), "regularizer=pgd moves item vectors, and this head reads none"),
        ("linear", FreeLB(), "regularizer=freelb moves item vectors, and this head reads none"),
        ("dot_bias", RDrop(), "regularizer=rdrop needs dropout, and two passes say the same"),
    ],
)
def test_what_has_no_effect_is_refused(head: str, regularizer: Any, message: str) -> None:
    learner = test_scoring.silent(test_scoring.task(head=member("head", head), regularizer=regularizer))
    with pytest.raises(ValueError, match=message):
        learner.training_step(test_scoring.batch_of(), 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FGM(size=0.0), "regularizer.size must be positive, got 0.0"),
        (lambda: PGD(weight=-1), "regularizer.weight must be positive, got -1"),
        (lambda: PGD(steps=0), "regularizer.steps must be at least 1, got 0"),
        (lambda: PGD(step=0), "regularizer.step must be positive, got 0"),
        (lambda: FreeLB(start=2), r"regularizer.start in 0\.\.1, got 1.0 and 2"),
        (lambda: RDrop(0), "regularizer.weight must be positive, got 0"),
    ],
)
def test_values_out_of_range_are_refused(make: Callable[[], Pass], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_task_without_regularizers_refuses_one() -> None:
    config = compose("train", ["regularizer=fgm", "items=id", "tuning=full"])
    check_family(config)
    config.task = {"_target_": "tests.regularizers.test_regularizers.Other", "_partial_": True}
    with pytest.raises(ValueError, match=r"regularizer=FGM has no effect with task=Other\. Set regularizer=none"):
        check_family(config)


class Other:
    """A task that knows none."""

    def __init__(self, items: Any) -> None: ...

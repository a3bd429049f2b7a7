"""The rank schedule in a loop: what is cut, when, and that a resumed run cuts the same."""

from __future__ import annotations

import copy
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rec_lightning.tuning.adalora import AdaLora
from rec_lightning.tuning.allocation import Allocation

STEPS = 20


class Loop:
    """What a trainer does, for two layers of width 8."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
        tuning = AdaLora(rank=1, start_rank=3, warmup=0.2, settle=0.25, every=2)
        tuning(self.trunk, "items=X", True)
        (self.callback,) = tuning.callbacks()
        self.optimizer = torch.optim.Adam([p for p in self.trunk.parameters() if p.requires_grad], lr=0.05)
        self.generator = torch.Generator().manual_seed(1)

    def run(self, first: int, last: int) -> list[int]:
        """How many singular values are left after each step."""
        trainer: Any = SimpleNamespace(estimated_stepping_batches=STEPS, global_step=first)
        module: Any = None
        self.callback.on_train_start(trainer, module)
        left = []
        for step in range(first, last):
            x = torch.randn(16, 8, generator=self.generator)
            self.optimizer.zero_grad()
            (self.trunk(x) - x.roll(1, 1)).square().mean().backward()
            self.callback.on_after_backward(trainer, module)
            self.optimizer.step()
            trainer.global_step = step + 1
            self.callback.on_train_batch_end(trainer, module, None, None, step)
            left.append(sum(int((p != 0).sum()) for n, p in self.trunk.named_parameters() if "lora_E" in n))
        return left


def test_the_budget_falls_to_the_rank_and_stays() -> None:
    left = Loop().run(0, STEPS)
    assert left[:4] == [6] * 4  # warmup: 2 layers of 3
    # cut in every second step, with the cube of the share that is left; between cuts a value may come back
    assert [left[step - 1] for step in (6, 8, 10)] == [4, 3, 2]
    assert left[14:] == [2] * 6  # settled: 1 a layer on average


def test_a_resumed_run_cuts_the_same() -> None:
    whole = Loop()
    whole.run(0, STEPS)
    part = Loop()
    part.run(0, 11)
    other = Loop()
    other.trunk.load_state_dict(part.trunk.state_dict())
    other.optimizer.load_state_dict(copy.deepcopy(part.optimizer.state_dict()))
    other.generator.set_state(part.generator.get_state())
    other.callback.load_state_dict(copy.deepcopy(part.callback.state_dict()))
    other.run(11, STEPS)
    for name, tensor in whole.trunk.state_dict().items():
        assert torch.equal(other.trunk.state_dict()[name], tensor), name


def test_the_orthogonality_term_by_hand() -> None:
    loop = Loop()
    module: Any = None
    a = loop.trunk.get_parameter("0.lora_A.default")
    loop.callback.on_after_backward(module, module)
    gradient = a.grad
    assert gradient is not None
    b = a.detach().clone().requires_grad_()
    (0.5 * torch.linalg.matrix_norm(b @ b.T - torch.eye(3)) / 4).backward()
    assert torch.allclose(gradient, b.grad)  # type: ignore[arg-type]
    assert loop.trunk.get_parameter("0.lora_E.default").grad is None


def test_a_run_too_short_to_cut() -> None:
    text = (
        "tuning=adalora needs at least two steps between warmup and settle, got 1 in a run of 2 steps. "
        "Set tuning.warmup, tuning.settle or trainer.max_epochs, or tuning=lora."
    )
    trainer: Any = SimpleNamespace(estimated_stepping_batches=2, global_step=0)
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Allocation([], 0.0, 0.5).on_train_start(trainer, nn.Identity())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"rank": 8, "start_rank": 8},
            "tuning.start_rank must be above tuning.rank (8), got 8: nothing would be cut. "
            "Set tuning.start_rank, or tuning=lora.",
        ),
        (
            {"warmup": 0.5, "settle": 0.5},
            "tuning.warmup + tuning.settle must be in [0, 1), got 1.0. Set tuning.warmup + tuning.settle.",
        ),
        ({"every": 0}, "tuning.every must be positive, got 0. Set tuning.every."),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        AdaLora(**changes)

"""Averaged weights by hand, and in whole runs: what was measured is what is kept, killed or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rec_lightning.runtime.averaging import Averaging, Ema, Swa
from rec_lightning.runtime.schedule_free import OptimizerModes, schedule_free
from tests.runtime.test_resume import SMALL, assert_same_end

Run = Callable[..., int]
RUNS = {
    "ema": ["callbacks=[early_stopping,ema]", "callbacks.ema.decay=0.9"],
    "swa": ["callbacks=[early_stopping,swa]", "callbacks.swa.start=0.4"],
    "schedule_free": ["optimizer=schedule_free"],
}


class Loop:
    """A weight that goes 1, 2, 3, ... in ten steps, and its average."""

    def __init__(self, averaging: Averaging) -> None:
        self.module: Any = nn.ParameterDict({"w": nn.Parameter(torch.zeros(1))})
        self.module["frozen"] = nn.Parameter(torch.zeros(1), requires_grad=False)
        state = SimpleNamespace(fn="fit")
        self.trainer: Any = SimpleNamespace(global_step=0, estimated_stepping_batches=10, state=state)
        self.averaging = averaging
        averaging.on_train_start(self.trainer, self.module)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.averaging.on_train_batch_start(self.trainer, self.module, None, 0)
            self.module["w"].data += 1
            self.trainer.global_step += 1
            self.averaging.on_train_batch_end(self.trainer, self.module, None, None, 0)

    def evaluated(self) -> float:
        self.averaging.on_validation_start(self.trainer, self.module)
        return self.module["w"].item()  # type: ignore[no-any-return]


def test_ema_by_hand() -> None:
    loop, want = Loop(Ema(decay=0.15)), 0.0
    loop.steps(4)
    for step, keep in enumerate([0, 1 / 11, 0.15, 0.15], 1):  # count / (count + 10) is above the decay from 2 on
        want = keep * want + (1 - keep) * step
    assert loop.evaluated() == pytest.approx(want)
    assert loop.evaluated() == pytest.approx(want)  # a second validation does not take it out again
    loop.steps(1)
    assert loop.module["w"].item() == 5.0
    assert set(loop.averaging.state_dict()["other"]) == {"w"}


def test_swa_by_hand() -> None:
    loop = Loop(Swa(start=0.5))
    loop.steps(5)
    assert loop.evaluated() == 5.0  # it has not begun
    loop.steps(3)
    assert loop.evaluated() == 7.0  # of 6, 7 and 8
    loop.trainer.state.fn = "validate"
    loop.steps(1)
    assert loop.evaluated() == 9.0  # only while fitting


def test_a_resumed_average_goes_on(tmp_path: Path) -> None:
    whole = Loop(Ema(decay=0.5))
    whole.steps(3)
    whole.evaluated()  # saved with the average in the model
    other = Loop(Ema(decay=0.5))
    torch.save([whole.module.state_dict(), whole.averaging.state_dict()], tmp_path / "point")
    weights, state = torch.load(tmp_path / "point")
    other.module.load_state_dict(weights)
    other.averaging.load_state_dict(state)
    other.trainer.global_step = 3
    other.averaging.on_train_start(other.trainer, other.module)
    for loop in (whole, other):
        loop.steps(2)
    assert other.module["w"].item() == whole.module["w"].item() == 5.0
    assert other.evaluated() == whole.evaluated()


@pytest.mark.slow
@pytest.mark.parametrize("choice", RUNS)
def test_a_run_keeps_what_it_measured_and_a_killed_one_too(choice: str, train: Run, tmp_path: Path) -> None:
    line = [*SMALL, "items=id", "tuning=full", *RUNS[choice]]
    assert train(*line, f"run_dir={tmp_path / 'whole'}") == 0
    last = torch.load(tmp_path / "whole/checkpoints/last.ckpt", weights_only=False)
    (best,) = (state for name, state in last["callbacks"].items() if name.startswith("ModelCheckpoint"))
    metrics = json.loads((tmp_path / "whole/metrics.json").read_text())
    assert float(best["best_model_score"]) == pytest.approx(metrics["val/ndcg@10"], abs=1e-7)
    for number, moment in enumerate(["on_train_batch_end@24", "on_train_epoch_start@3"]):
        killed = [*line, f"run_dir={tmp_path / str(number)}"]
        assert train(*killed, kill=moment) == -9
        assert train(*killed) == 0
        assert_same_end(tmp_path / "whole", tmp_path / str(number))


def test_schedule_free_modes_in_a_loop() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(3))
    optimizer: Any = schedule_free([{"params": [weight]}], lr=0.1, betas=(0.9, 0.99))
    trainer: Any = SimpleNamespace(optimizers=[optimizer, torch.optim.SGD([weight])], state=SimpleNamespace(fn="fit"))
    modes, module, z, x = OptimizerModes(), nn.Module(), torch.zeros(3), torch.zeros(3)
    second = torch.zeros(3)
    for step in range(1, 6):
        modes.on_train_batch_start(trainer, module, None, 0)  # type: ignore[arg-type]
        y = 0.1 * z + 0.9 * x
        assert torch.allclose(weight, y, atol=1e-6)
        gradient = torch.tensor([1.0, 2.0, -3.0]) * (weight.detach() + step)
        weight.grad = gradient.clone()
        optimizer.step()
        second = 0.99 * second + 0.01 * gradient**2
        z = z - 0.1 * gradient / ((second / (1 - 0.99**step)).sqrt() + 1e-8)
        x = x + (z - x) / step
        modes.on_validation_start(trainer, module)  # type: ignore[arg-type]
        assert torch.allclose(weight, x, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ema(decay=1.0), "callbacks.ema.decay must be in (0, 1), got 1.0. Set callbacks.ema.decay."),
        (lambda: Swa(start=1.0), "callbacks.swa.start must be in [0, 1), got 1.0. Set callbacks.swa.start."),
        (lambda: schedule_free([], lr=0.0), "optimizer.lr must be positive, got 0.0. Set optimizer.lr."),
    ],
)
def test_values_out_of_range(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        make()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "schedulefree", None)
    text = "optimizer=schedule_free needs the package schedulefree, which is not installed. Install rec_lightning["
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        schedule_free([{"params": [nn.Parameter(torch.zeros(1))]}])

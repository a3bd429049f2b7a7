"""Which layers move in which epoch, and that a run calls what a method asks for."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import Callback
from torch import nn

from rec_lightning.cli import main
from rec_lightning.tuning.allocation import Allocation
from rec_lightning.tuning.gradual_unfreezing import GradualUnfreezing, Thawing

FAST = "data=synthetic data.source.users=30 data.source.items=20 data.batch_size=4 logger=[]".split()
FAST += "items=id backbone.blocks=3 width=16 tuning.target=backbone trainer.max_epochs=2".split()


def test_one_more_layer_each_epoch() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    tuning = GradualUnfreezing(start=1, epochs=2)
    tuning(trunk, "items=X", True)
    (callback,) = tuning.callbacks()
    optimizer = torch.optim.AdamW(trunk.parameters(), lr=0.1, weight_decay=0.1)
    moved = []
    module: Any = None
    for epoch in range(6):
        before = {name: p.detach().clone() for name, p in trunk.named_parameters()}
        trainer: Any = SimpleNamespace(current_epoch=epoch)
        callback.on_train_batch_start(trainer, module, None, 0)
        optimizer.zero_grad()
        trunk(torch.randn(5, 4)).square().mean().backward()
        callback.on_after_backward(trainer, module)
        optimizer.step()
        moved.append({int(n[0]) for n, p in trunk.named_parameters() if not torch.equal(p, before[n])})
        assert all(p.requires_grad for p in trunk.parameters())  # so that the checkpoint holds them all
    assert moved == [{2}, {2}, {1, 2}, {1, 2}, {0, 1, 2}, {0, 1, 2}]


@pytest.mark.parametrize("choice", ["gradual_unfreezing", "adalora"])
def test_a_run_calls_the_methods_callbacks(choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = set[str]()
    for kind in (Thawing, Allocation):

        def noted(self: Callback, *given: Any, true: Any = kind.on_after_backward) -> None:
            called.add(type(self).__name__)
            true(self, *given)

        monkeypatch.setattr(kind, "on_after_backward", noted)
    before, init = tmp_path / "before", []
    if choice == "adalora":  # it freezes what is there, which so must have learnt something
        assert main(["train", *FAST, "tuning=full", f"run_dir={before}"]) == 0
        init = [f"init={before}", "tuning.every=1"]
    assert main(["train", *FAST, f"tuning={choice}", *init, f"run_dir={tmp_path / 'run'}"]) == 0
    assert called == {"Thawing" if choice == "gradual_unfreezing" else "Allocation"}


def test_values_out_of_range() -> None:
    text = "tuning.start must be below 2, the layers of items=X, got 2. Set tuning.start, or tuning=full."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        GradualUnfreezing(start=2)(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "items=X", True)
    with pytest.raises(ValueError, match=r"^tuning.epochs must be positive, got 0. Set tuning.epochs.$"):
        GradualUnfreezing(epochs=0)

"""Which rate and which decay each parameter gets."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rec_lightning.tasks.parameters import parameter_groups, scale_learning_rates


def test_groups_and_rates() -> None:
    module = nn.ModuleDict({"old": nn.Linear(2, 2), "new": nn.Linear(2, 2), "frozen": nn.Linear(2, 2)})
    module["frozen"].requires_grad_(False)
    groups = parameter_groups(module, [module["old"], module["frozen"]], 0.1)
    optimizer = torch.optim.AdamW(groups, lr=2.0, weight_decay=0.5)
    scale_learning_rates(optimizer)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    old, new = module["old"], module["new"]
    assert isinstance(old, nn.Linear)
    assert isinstance(new, nn.Linear)
    assert found == {
        id(old.weight): (0.2, 0.5),
        id(old.bias): (0.2, 0.0),
        id(new.weight): (2.0, 0.5),
        id(new.bias): (2.0, 0.0),
    }


def test_a_rate_for_each_name() -> None:
    def rates(trunk: nn.Module) -> dict[str, float]:
        return {name: 0.1 if name.startswith("0") else 0.2 for name, _ in trunk.named_parameters()}

    trunk, new = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 2)
    groups = parameter_groups(nn.ModuleList([trunk, new]), [trunk], rates)
    found = {id(p): group["lr_factor"] for group in groups for p in group["params"]}
    assert [found[id(p)] for p in [*trunk.parameters(), *new.parameters()]] == [0.1, 0.1, 0.2, 0.2, 1.0, 1.0]


def test_a_shared_parameter_comes_once() -> None:
    layer = nn.Linear(2, 2)
    groups = parameter_groups(nn.ModuleList([layer, layer]), [], 1.0)
    assert sum(len(group["params"]) for group in groups) == 2


def test_nothing_trains() -> None:
    text = r"^nothing trains: every parameter is frozen. Choose another tuning.$"
    with pytest.raises(ValueError, match=text):
        parameter_groups(nn.Linear(1, 1).requires_grad_(False), [], 1.0)

"""Each part gets its own method, rates and merge."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from rec_lightning.tuning.compose import Compose
from rec_lightning.tuning.full import Full
from rec_lightning.tuning.gradual_unfreezing import GradualUnfreezing
from rec_lightning.tuning.llrd import Llrd
from rec_lightning.tuning.lora import Lora
from rec_lightning.tuning.pissa import Pissa
from rec_lightning.tuning.prefix import Prefix


def trunk() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))


def test_methods_and_rates() -> None:
    tuning = Compose(Lora(rank=1, lr_factor=0.3), Llrd(target="backbone", decay=0.5, rate=0.2))
    items, backbone = trunk(), trunk()
    tuning(items, "items=X", True)
    tuning(backbone, "backbone=Y", True)
    assert [n for n, p in items.named_parameters() if p.requires_grad][:2] == [
        f"0.lora_{x}.default.weight" for x in "AB"
    ]
    assert all(p.requires_grad for p in backbone.parameters())
    assert set(tuning.lr_factor(items).values()) == {0.3}
    assert tuning.lr_factor(backbone) == {"0.weight": 0.1, "0.bias": 0.1, "1.weight": 0.2, "1.bias": 0.2}


@pytest.mark.parametrize("methods", [(Lora, Pissa), (Pissa, Lora)])
def test_merge_leaves_the_other_methods_part_alone(methods: tuple[Any, Any]) -> None:
    tuning = Compose(methods[0](rank=1), methods[1](rank=1, target="backbone"))
    x = torch.randn(3, 4)
    for name in ("items=X", "backbone=Y"):
        tuned = tuning(trunk(), name, True)
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter)
        before = tuned(x)
        merged = tuning.merge(tuned)
        assert torch.allclose(merged(x), before, atol=1e-4)
        assert set(merged.state_dict()) == set(trunk().state_dict())


def test_what_it_promises_is_what_both_do() -> None:
    plain = Compose(Lora(), Full(target="backbone"))
    assert (plain.changes_output, plain.foldable, plain.callbacks()) == (False, True, [])
    other = Compose(Prefix(), GradualUnfreezing(target="backbone"))
    assert (other.changes_output, other.foldable) == (True, False)
    assert [type(c).__name__ for c in other.callbacks()] == ["Thawing"]


def test_refusals() -> None:
    text = "tuning.backbone.target must be backbone, got items. Set tuning.backbone.target=backbone."
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        Compose(Lora(), Full())
    text = "tuning=compose cannot use its method for items: tuning=lora needs linear layers, and items=X (Identity)"
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        Compose(Lora(), Full(target="backbone"))(nn.Identity(), "items=X", False)

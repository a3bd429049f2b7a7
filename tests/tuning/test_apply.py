"""The rule: what is new trains, what is pretrained trains only as the method says."""

from __future__ import annotations

import re

import pytest
from torch import nn

from rec_lightning.contracts import Catalog, Tuning
from rec_lightning.items.id import IdItems
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.bitfit import BitFit
from rec_lightning.tuning.compose import Compose
from rec_lightning.tuning.frozen import Frozen
from rec_lightning.tuning.full import Full
from rec_lightning.tuning.gradual_unfreezing import GradualUnfreezing
from rec_lightning.tuning.top_layers import TopLayers


class Part(nn.Module):
    """A trunk and something around it."""

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        self.pretrained, self.inner, self.around = pretrained, nn.Linear(2, 2), nn.Linear(2, 2)

    @property
    def trunk(self) -> nn.Module:
        return self.inner

    def set_trunk(self, module: nn.Module) -> None:
        self.inner = module  # type: ignore[assignment]

    @property
    def trains(self) -> tuple[bool, bool]:
        return self.inner.weight.requires_grad, self.around.weight.requires_grad


@pytest.mark.parametrize("items_pretrained", [True, False])
@pytest.mark.parametrize("backbone_pretrained", [True, False])
@pytest.mark.parametrize("target", ["items", "backbone", "all"])
def test_full(items_pretrained: bool, backbone_pretrained: bool, target: str) -> None:
    parts = {"items": Part(items_pretrained), "backbone": Part(backbone_pretrained)}
    apply(Full(target=target), parts)  # type: ignore[arg-type]
    for name, part in parts.items():
        assert part.trains == (target in (name, "all") or not part.pretrained, True)


def test_frozen() -> None:
    parts = {"items": Part(True), "backbone": Part(False)}
    apply(Frozen(), parts)
    assert parts["items"].trains == (False, True)
    assert parts["backbone"].trains == (True, True)


def test_a_method_that_wraps_takes_the_place_of_the_trunk() -> None:
    class Wrapping(Full):
        def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
            return nn.Sequential(trunk)

    part = Part(True)
    inner = part.inner
    apply(Wrapping(), {"items": part})
    assert part.inner[0] is inner  # type: ignore[index]
    assert set(part.state_dict()) == {"inner.0.weight", "inner.0.bias", "around.weight", "around.bias"}


def test_frozen_refuses_random_weights(catalog: Catalog) -> None:
    text = (
        "tuning=frozen would keep items=IdItems at its random initial values: nothing in it was learnt before. "
        "Set tuning=full, or choose pretrained items (items=text)."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        apply(Frozen(), {"items": IdItems(catalog, 4)})


def test_full_values_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^tuning.lr_factor must be positive, got 0. Set tuning.lr_factor.$"):
        Full(lr_factor=0)
    with pytest.raises(ValueError, match=r"^tuning=full found no parameter in items=X. Set tuning.target.$"):
        Full()(nn.Identity(), "items=X", False)


@pytest.mark.parametrize(
    ("tuning", "touched"),
    [
        (Full(lr_factor=0.5), "items"),
        (TopLayers(target="backbone", lr_factor=0.5), "backbone"),
        (GradualUnfreezing(lr_factor=0.5), "items"),
        (Full(target="all", lr_factor=0.5), "items and backbone"),
        (Compose(Full(), Full(target="backbone", lr_factor=0.5)), "backbone"),
    ],
)
def test_a_rate_without_effect_is_refused(tuning: Tuning, touched: str) -> None:
    text = (
        f"tuning.lr_factor is the rate inside pretrained weights, and {touched} has none, so 0.5 has no effect. "
        "Set tuning.lr_factor=null, and optimizer.lr."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        apply(tuning, {"items": Part(False), "backbone": Part(False)})


def test_a_rate_that_acts_somewhere_is_taken() -> None:
    assert Full().lr_factor == TopLayers().lr_factor == GradualUnfreezing().lr_factor == 0.05
    apply(Full(target="all", lr_factor=0.5), {"items": Part(True), "backbone": Part(False)})
    apply(Full(lr_factor=0.5), {"items": Part(True), "backbone": Part(False)})
    apply(Compose(Full(lr_factor=0.5), Full(target="backbone")), {"items": Part(True), "backbone": Part(False)})


def test_random_weights_are_not_kept() -> None:
    text = (
        "backbone=Part has no pretrained weights, and this tuning would keep 1 of 2 at their random start (weight). "
        "Set tuning=full or another tuning.target, or start a backbone from an earlier run with init=<run_dir>."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        apply(BitFit(target="backbone"), {"backbone": Part(False)})
    part = Part(True)
    apply(BitFit(target="backbone"), {"backbone": part})
    assert [n for n, p in part.inner.named_parameters() if p.requires_grad] == ["bias"]

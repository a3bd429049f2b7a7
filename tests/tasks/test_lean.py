"""What a lean checkpoint holds, and whose it is."""

from __future__ import annotations

import re

import pytest
from torch import nn

from rec_lightning.tasks.lean import bases, check_bases, check_lean, lean_state


def model(width: int = 2, frozen: bool = True) -> nn.Module:
    module = nn.ModuleDict({"base": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2), "top": nn.Linear(2, width)})
    module["base"].requires_grad_(not frozen)
    return module


def test_trained_parameters_and_saved_buffers() -> None:
    state = lean_state(model())
    assert [n for n in state if n.startswith("base")] == []
    assert {"top.weight", "top.bias", "norm.weight", "norm.running_mean", "norm.num_batches_tracked"} <= set(state)
    check_lean(model(), state)


def test_a_frozen_parameter_under_two_names_stays_out() -> None:
    layer = nn.Linear(1, 1).requires_grad_(False)
    assert lean_state(nn.ModuleList([layer, layer])) == {}


@pytest.mark.parametrize(
    ("saved", "problem"),
    [
        (
            model(frozen=False),
            "has base.weight, which does not train here; has base.bias, which does not train here",
        ),
        (
            nn.ModuleDict({"top": nn.Linear(2, 2)}),
            "lacks norm.weight; lacks norm.bias; lacks norm.running_mean and 2 more",
        ),
        (model(width=3), "top.weight: (3, 2) there, (2, 2) here; top.bias: (3,) there, (2,) here"),
    ],
)
def test_a_foreign_checkpoint_is_refused_by_name(saved: nn.Module, problem: str) -> None:
    text = (
        f"the checkpoint belongs to another configuration: {problem}. "
        "Use the configuration it was trained with (config.yaml in its run directory)."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        check_lean(model(), lean_state(saved))


class Based(nn.Module):
    """A part on a pretrained model."""

    def __init__(self, weights: str, name: str = "bert") -> None:
        super().__init__()
        self.base = {"name": name, "weights": weights}


def test_another_base_is_refused_with_both_hashes() -> None:
    saved = bases(nn.ModuleDict({"text": Based("a" * 64)}))
    assert saved == {"text": {"name": "bert", "weights": "a" * 64}}
    check_bases(nn.ModuleDict({"text": Based("a" * 64, name="a copy of it")}), saved)
    text = (
        f"the checkpoint was trained on another base: text had bert with weights {'a' * 16}, here it has minilm with "
        f"weights {'b' * 16}. Use what it was trained with, or train anew in another run_dir."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        check_bases(nn.ModuleDict({"text": Based("b" * 64, "minilm")}), saved)
    with pytest.raises(ValueError, match=r"text had no model with weights \(none\), here it has bert with weights a"):
        check_bases(nn.ModuleDict({"text": Based("a" * 64)}), {})
    check_bases(nn.ModuleDict({"ids": nn.Embedding(2, 2)}), saved)

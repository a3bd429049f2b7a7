"""What the user's features do, who counts as unknown, and a whole run on data with and without users."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import nn

from rec_lightning.backbones.two_tower import TwoTower
from rec_lightning.cli import main
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.items.feature_table import FeatureTable
from tests.members import ten_people

Make = Callable[..., Batch]
TABLE = partial(FeatureTable, width=8, categories=["gender", "occupation"], numbers={"age": "standardise"})


def made(**changes: Any) -> TwoTower:
    torch.manual_seed(0)
    return TwoTower(ten_people(), 8, **({"users": TABLE} | changes))


def test_the_state_by_hand(batch: Make) -> None:
    model, many = made(layers=0).eval(), batch([2], 9)
    inputs = torch.randn(1, 2, 8)
    assert isinstance(model.users, FeatureTable)
    gender, occupation, age = model.users.columns
    # user 4 is of the first gender in the alphabet, of the second occupation, and 24 where the mean is 24.5
    spread = torch.arange(20.0, 30.0).std(correction=0)
    person = gender.embedding.weight[2] + occupation.embedding.weight[3] - 0.5 / spread * age.weight[0]  # type: ignore[union-attr, index, operator]
    means = [inputs[0, 0], inputs[0].mean(0)]
    expected = torch.stack([m + model.net[0](torch.cat([m, person])) for m in means])  # type: ignore[operator]
    found = model.states(replace(many, user=torch.tensor([4])), inputs)[0]
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_new_user_is_an_unknown_one_and_nobody_else(batch: Make) -> None:
    model, many, inputs = made().eval(), batch([3], 9), torch.randn(1, 3, 8)
    last, new, none = (model.states(replace(many, user=torch.tensor([u])), inputs) for u in (9, 10, -1))
    assert torch.equal(new, none)
    assert torch.equal(model.states(replace(many, user=torch.tensor([1234])), inputs), new)
    assert not torch.allclose(new, last, atol=1e-6)


def test_the_row_of_unknown_users_is_learnt(batch: Make) -> None:
    many, inputs = batch([3] * 10, 9), torch.randn(10, 3, 8)
    for unknown, moves in ((0.0, False), (0.5, True)):
        model = made(unknown=unknown, dropout=0.0).train()
        model.states(many, inputs).square().sum().backward()
        gradient = model.users.columns[0].embedding.weight.grad  # type: ignore[union-attr, index]
        assert isinstance(gradient, torch.Tensor)
        assert bool(gradient[0].any()) == moves  # row 0 is what is missing
        assert gradient[2:].any()
    model.eval()
    assert torch.equal(model.states(many, inputs), model.states(many, inputs))


def test_users_of_other_data_are_another_base() -> None:
    other = replace(ten_people(), users=ten_people().users.with_columns(gender=pl.lit("X")))
    bases = [TwoTower(catalog, 8, TABLE).base for catalog in (ten_people(), ten_people(), other)]
    assert bases[0] == bases[1] != bases[2]
    assert TwoTower(Catalog.empty([], ["gender", "occupation", "age"]), 8, TABLE).base is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"decay": 0.0}, "backbone.decay must be in (0, 1], got 0.0. Set backbone.decay."),
        ({"dropout": 1.0}, "backbone.dropout must be in [0, 1), got 1.0. Set backbone.dropout."),
        ({"unknown": 1.0}, "backbone.unknown must be in [0, 1), got 1.0. Set backbone.unknown."),
        ({"layers": -1}, "backbone.layers must be at least 0, got -1. Set backbone.layers."),
        ({"ffn_factor": 0}, "backbone.ffn_factor must be at least 1, got 0. Set backbone.ffn_factor."),
        (
            {"users": partial(FeatureTable, width=8, categories=["job"])},
            "backbone.users: categories names 'job', which the table does not have. "
            "Columns: user, gender, occupation, age. Set categories.",
        ),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"):
        made(**changes)


def test_data_without_such_users_are_refused_before_they_are_read(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "data=synthetic items=id tuning=full logger=[] backbone=two_tower".split()
    assert main(["train", *options, f"run_dir={tmp_path / 'run'}"]) == 2
    assert "backbone.users: categories names 'gender', which the table does not have" in capsys.readouterr().err
    assert not cache.exists()


def test_the_features_are_beside_the_trunk() -> None:
    model = made()
    assert isinstance(model.trunk, nn.Sequential)
    assert not {id(p) for p in model.users.parameters()} & {id(p) for p in model.trunk.parameters()}

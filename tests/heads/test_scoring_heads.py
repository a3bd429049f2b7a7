"""Heads of scoring: each against a plain computation, and what all of them promise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.heads.bias import Bias
from rec_lightning.heads.dcn import DCN
from rec_lightning.heads.din import DIN
from rec_lightning.heads.dot_bias import DotBias
from rec_lightning.heads.fields import Fields
from rec_lightning.heads.fm import FM
from rec_lightning.heads.linear import Linear
from rec_lightning.heads.mlp import MLP
from rec_lightning.items.feature_table import FeatureTable
from tests.members import member, members

B, C, L, D = 5, 3, 4, 16
COLUMNS = {
    "users": {"age": "standardise", "gender": "category"},
    "items": {"genres": "list"},
    "events": {"device": "category", "price": "log1p"},
}


def known() -> Catalog:
    """10 users, 12 items, 20 events of which the first 15 train; the device "new" is met in none of these."""
    users = pl.DataFrame({"user": range(10), "age": range(20, 30), "gender": ["f", "m"] * 5})
    items = pl.DataFrame({"item": range(12), "genres": [["a"], ["b"], ["a", "b"], []] * 3})
    events = pl.DataFrame(
        {
            "device": ["tv", "phone", None] * 5 + ["new"] * 5,
            "price": [1.0, 2.0, None, 4.0] * 5,
            "trains": [True] * 15 + [False] * 5,
            "known": [2] * 20,
        }
    )
    return Catalog(items, np.ones(13, np.int64), users, events)


def case() -> tuple[Batch, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    length = torch.tensor([4, 1, 2, 3, 4])
    history = torch.randint(1, 13, (B, L), generator=generator) * (torch.arange(L) < length[:, None])
    history[1] = 0  # a user without any history
    candidate = torch.randint(1, 13, (B, C), generator=generator)
    batch = Batch(
        torch.tensor([0, 3, 9, 3, 5]),
        history,
        length,
        candidate[:, 0],
        event=torch.tensor([0, 7, 14, 15, 19]),
        candidate=candidate,
    )
    vectors = torch.randn(13, D, generator=generator)
    vectors[0] = 0
    return batch, torch.randn(B, D, generator=generator), vectors[history], vectors[candidate]


def fields(**changes: Any) -> Any:
    options = {"user_ids": True, "item_ids": False, **COLUMNS, **changes}
    return partial(Fields, table=partial(FeatureTable, max_distinct=1.0), **options)


@pytest.mark.parametrize("choice", members("head", scoring=True))
def test_every_head_gives_finite_scores_and_every_weight_a_gradient(choice: str) -> None:
    torch.manual_seed(0)
    head = member("head", choice)
    outputs = 2 if "classes" in getattr(head.func, "kinds", ()) else 1
    made = head(catalog=known(), outputs=outputs)
    batch, state, history, candidate = case()
    scores = made(batch, state, history, candidate)
    assert scores.shape == (B, C, outputs)
    assert torch.isfinite(scores).all()
    scores.square().sum().backward() if scores.requires_grad else None
    if choice != "bias":  # whose weights are 0 at the start, where the square has no slope
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in made.parameters())


@pytest.mark.parametrize("choice", members("head", scoring=True))
def test_rows_and_candidates_are_scored_each_by_themselves(choice: str) -> None:
    torch.manual_seed(0)
    made = member("head", choice)(catalog=known(), outputs=1).eval()
    for p in made.parameters():
        torch.nn.init.normal_(p)
    batch, state, history, candidate = case()
    whole = made(batch, state, history, candidate)
    for row in range(B):
        for column in range(C):
            keep = int(batch.length[row])
            one = Batch(
                batch.user[row, None],
                batch.history[row, None, :keep],
                batch.length[row, None],
                batch.target[row, None],
                event=batch.event[row, None],  # type: ignore[index]
                candidate=batch.candidate[row, None, column, None],  # type: ignore[index]
            )
            found = made(one, state[row, None], history[row, None, :keep], candidate[row, None, column, None])
            assert torch.allclose(found[0, 0], whole[row, column], atol=1e-4, rtol=1e-4)


def test_bias_and_dot_by_hand() -> None:
    batch, state, history, candidate = case()
    bias = Bias(known(), 1)
    torch.nn.init.normal_(bias.user.weight)
    torch.nn.init.normal_(bias.item.weight)
    torch.nn.init.constant_(bias.all, 0.5)
    found = bias(batch, state, history, candidate)
    assert batch.candidate is not None
    expected = bias.user.weight[3, 0] + bias.item.weight[batch.candidate[1, 2], 0] + 0.5
    assert found[1, 2, 0].item() == pytest.approx(expected.item())
    dot = DotBias(known(), 1, D)
    product = (state[2] + dot.vectors.weight[9]) @ candidate[2, 1]  # type: ignore[union-attr]
    assert dot(batch, state, history, candidate)[2, 1, 0].item() == pytest.approx(product.item(), rel=1e-5)
    plain = DotBias(known(), 1, D, user_ids=False)
    assert plain(batch, state, history, candidate)[2, 1, 0].item() == pytest.approx((state[2] @ candidate[2, 1]).item())


def test_fm_is_the_sum_over_all_pairs_of_fields() -> None:
    torch.manual_seed(1)
    batch, state, history, candidate = case()
    fm = FM(known(), 1, D, fields())
    for p in fm.parameters():
        torch.nn.init.normal_(p)
    rows = torch.cat([fm.fields(batch)[4, 1], fm.state(state[4])[None], fm.candidate(candidate[4, 1])[None]])
    assert len(rows) == 1 + 5 + 2
    pairs = sum(float(rows[i, :-1] @ rows[j, :-1]) for i in range(len(rows)) for j in range(i))
    expected = pairs + float(rows[:, -1].sum()) + fm.all.item()
    assert fm(batch, state, history, candidate)[4, 1, 0].item() == pytest.approx(expected, rel=1e-4)


def test_linear_is_the_sum_of_the_weights() -> None:
    batch, state, history, candidate = case()
    linear = Linear(known(), 2, fields(item_ids=True))
    expected = linear.fields(batch)[0, 2].sum(0) + linear.all
    assert torch.allclose(linear(batch, state, history, candidate)[0, 2], expected)
    with pytest.raises(ValueError, match="head=linear needs a field at least, got none"):
        Linear(known(), 1, fields(user_ids=False, users=None, items=None, events=None))


def test_din_attends_to_real_items_only() -> None:
    torch.manual_seed(2)
    batch, state, history, candidate = case()
    din = DIN(known(), 1, D, fields(), dropout=0.0)
    person = din.person(batch, state, history, candidate)
    assert torch.equal(person[1, 0], state[1])  # nothing to look at
    one, two = history[3, :3], candidate[3, 1].expand(3, -1)
    weight = din.unit(torch.cat([one, two, one - two, one * two], -1))  # (3, 1)
    assert torch.allclose(person[3, 1], state[3] + (weight * one).sum(0) / 3**0.5, atol=1e-5)
    assert not torch.allclose(person[3, 0], person[3, 1])  # another candidate looks otherwise


def test_dcn_crosses_by_hand() -> None:
    torch.manual_seed(3)
    batch, state, history, candidate = case()
    dcn = DCN(known(), 2, D, fields(), crosses=2, hidden=[8], dropout=0.0)
    first = torch.cat([state[0], candidate[0, 1], dcn.fields(batch)[0, 1].flatten()])
    crossed = first
    for layer in dcn.crosses:
        crossed = first * (layer.weight @ crossed + layer.bias) + crossed  # type: ignore[operator]
    expected = dcn.out(torch.cat([crossed, dcn.net(first)]))
    assert torch.allclose(dcn(batch, state, history, candidate)[0, 1], expected, atol=1e-5)


def test_context_is_learnt_from_training_and_a_value_never_met_is_unknown() -> None:
    torch.manual_seed(4)
    made = fields(user_ids=False, users=None, items=None)(catalog=known(), width=D)
    batch, *_ = case()
    found = made(batch)  # (B, C, 2, D)
    table = made.tables["event"]
    assert table.columns[0].known == ["phone", "tv"]
    unknown = table.columns[0].embedding.weight[1]
    assert torch.equal(found[3, 0, 0], unknown)  # event 15: a device that never trained
    assert torch.equal(found[4, 0, 0], unknown)
    missing = table.columns[0].embedding.weight[0]
    assert torch.equal(found[2, 0, 0], missing)  # event 14 has no device, and no price
    assert torch.equal(found[2, 0, 1], table.columns[1].weight[1])


def test_a_user_beyond_the_table_has_the_last_row() -> None:
    batch, *_ = case()
    made = fields(users=None, items=None, events=None)(catalog=known(), width=D)
    batch.user[0] = 10
    assert torch.equal(made(batch)[0, 0, 0], made.user_ids.weight[10])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": {"height": "standardise"}}, "^head.fields.users: numbers names 'height', which the table does not"),
        ({"events": {"price": "list"}}, "^head.fields.events: lists names 'price', which holds single values"),
        ({"events": {"device": "standardise"}}, "^head.fields.events: numbers names 'device', which holds 'tv'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fields(**changes)(catalog=known(), width=D)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(known(), 1, D, fields(), hidden=[0]), r"head.hidden must be widths of at least 1, got \[0\]"),
        (lambda: DotBias(known(), 1, D, dropout=1.0), r"head.dropout must be in \[0, 1\), got 1.0"),
        (lambda: DCN(known(), 1, D, fields(), crosses=0), "head.crosses must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rec_lightning.backbones.dropout import Dropout, dropout
from rec_lightning.backbones.sasrec import attend_with_dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [1_000_000, 1_000_003])  # the last draws fill a 64-bit number only in part
def test_the_share_of_zeros_and_the_mean(p: float, size: int) -> None:
    torch.manual_seed(0)
    y = dropout(torch.ones(size), p)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    error = (p * (1 - p) / size) ** 0.5
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=5 * error)
    # neighbours are dropped independently of each other
    zero = y == 0
    for step in (1, 2, 3, 4):
        assert (zero[:-step] & zero[step:]).float().mean().item() == pytest.approx(p * p, abs=5 * error)


def test_the_gradient_goes_where_the_value_went() -> None:
    x = torch.rand(7, 5, 3) + 1
    x.requires_grad_(True)
    y = dropout(x, 0.4)
    y.sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad * x.detach(), y.detach())


def test_a_restored_generator_repeats_and_eval_does_nothing() -> None:
    x, layer = torch.rand(4, 6).T, Dropout(0.5)  # not contiguous
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(layer(x), first)
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert nn.Sequential(Dropout(0.2)).__repr__().count("p=0.2") == 1


def test_other_precisions_keep_theirs() -> None:
    y = dropout(torch.ones(64, dtype=torch.bfloat16), 0.5)
    assert y.dtype == torch.bfloat16
    assert set(y.tolist()) == {0.0, 2.0}


def test_attention_without_drops_equals_the_fused_one() -> None:
    torch.manual_seed(1)
    q, k, v = (torch.randn(3, 2, 7, 4, dtype=torch.double) for _ in range(3))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(attend_with_dropout(q, k, v, 0.0), expected)
    mean = torch.stack([attend_with_dropout(q, k, v, 0.3) for _ in range(4000)]).mean(0)
    assert torch.allclose(mean, expected, atol=0.08)  # dropped weights keep their mean

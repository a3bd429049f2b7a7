"""One pair of projections for all layers, the update by hand."""

from __future__ import annotations

import torch
from torch import nn

from rec_lightning.tuning.vera import Vera


def test_the_update_by_hand_and_the_shared_projections() -> None:
    torch.manual_seed(0)
    trunk = nn.ModuleList([nn.Linear(8, 6), nn.Linear(4, 10)])
    weight, bias = trunk[1].weight.detach().clone(), trunk[1].bias.detach().clone()
    Vera(rank=3, seed=5)(trunk, "items=X", True)
    a, b = trunk.get_buffer("1.vera_A.default"), trunk.get_buffer("1.vera_B.default")
    assert a.shape == (3, 8)  # as wide as the widest layer; each takes its corner
    assert b.shape == (10, 3)
    assert a is trunk.get_buffer("0.vera_A.default")
    trained = [n for n, p in trunk.named_parameters() if p.requires_grad]
    assert trained == [f"{i}.vera_lambda_{x}.default" for i in range(2) for x in "bd"]
    scale_b, scale_d = (trunk.get_parameter(f"1.vera_lambda_{x}.default") for x in "bd")
    nn.init.normal_(scale_b)
    x = torch.randn(5, 4)
    update = scale_b.unsqueeze(1) * b * scale_d @ a[:, :4]
    assert torch.allclose(trunk[1](x), x @ (weight + update).T + bias, atol=1e-5)


def test_the_seed_draws_the_projections() -> None:
    def drawn(seed: int) -> torch.Tensor:
        return Vera(seed=seed)(nn.Sequential(nn.Linear(4, 4)), "items=X", True).get_buffer("0.vera_A.default")

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))

"""LoHa's and LoKr's updates by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rec_lightning.tuning.loha import LoHa
from rec_lightning.tuning.lokr import LoKr


def learnt(tuning: LoHa | LoKr) -> tuple[dict[str, Tensor], Tensor]:
    """Random factors by name, and the change they make to a weight."""
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(32, 32))
    weight = trunk[0].weight.detach().clone()
    tuning(trunk, "items=X", True)
    factors = {n.split(".")[1]: p for n, p in trunk.named_parameters() if p.requires_grad}
    for factor in factors.values():
        nn.init.normal_(factor)
    return factors, tuning.merge(trunk).get_parameter("0.weight") - weight


def test_loha_is_an_elementwise_product() -> None:
    f, change = learnt(LoHa(rank=2, alpha=6))
    wanted = 3 * (f["hada_w1_a"] @ f["hada_w1_b"]) * (f["hada_w2_a"] @ f["hada_w2_b"])
    assert torch.allclose(change, wanted, atol=1e-4)
    assert int(torch.linalg.matrix_rank(change, rtol=1e-4)) == 4  # rank ** 2


def test_lokr_is_a_kronecker_product() -> None:
    f, change = learnt(LoKr(rank=2, alpha=6))
    wanted = 3 * torch.kron(f["lokr_w1"], f["lokr_w2_a"] @ f["lokr_w2_b"])
    assert torch.allclose(change, wanted, atol=1e-4)

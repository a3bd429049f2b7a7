from __future__ import annotations

import torch

from rec_lightning.contracts import Batch, Catalog
from rec_lightning.heads.tower import Tower


def test_the_score_is_that_of_the_state_for_every_candidate() -> None:
    torch.manual_seed(0)
    head, state, row = Tower(Catalog.empty([]), 2, 4, hidden=[3], dropout=0.0), torch.randn(5, 4), torch.zeros(5)
    found = head(Batch(row, row, row, row), state, torch.randn(5, 2, 4), torch.randn(5, 3, 4))
    assert found.shape == (5, 3, 2)
    assert torch.equal(found[:, 2], head.out(head.net(state)))

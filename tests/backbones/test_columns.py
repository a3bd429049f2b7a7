"""Columns: the state is the net over the fields of the row's own candidate, wherever it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rec_lightning.backbones.columns import Columns
from rec_lightning.contracts import Batch, Catalog


class Fields(nn.Module):
    """Two fields that say the event."""

    count = 2

    def __init__(self, catalog: Any, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, batch: Batch) -> torch.Tensor:
        assert batch.event is not None
        return batch.event.view(-1, 1, 1, 1).float().expand(-1, 3, 2, self.width)


def made(**options: Any) -> Columns:
    torch.manual_seed(0)
    return Columns(Catalog.empty([]), 4, Fields, **options)


def test_the_state_is_the_net_over_the_row() -> None:
    backbone = made(hidden=[5], dropout=0.0)
    row = torch.arange(3)
    found = backbone.states(Batch(row, row.view(3, 1), row, row, event=row), torch.zeros(3, 6, 4))
    assert found.shape == (3, 6, 4)
    assert torch.allclose(found[:, 0], backbone.net(row.view(3, 1).float().expand(3, 8)))
    assert torch.equal(found[:, 0], found[:, 5])


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"backbone.hidden must be widths of at least 1, got \[0\]"):
        made(hidden=[0])
    with pytest.raises(ValueError, match=r"backbone.dropout must be in \[0, 1\), got 1"):
        made(dropout=1.0)
    with pytest.raises(ValueError, match=r"backbone=columns needs a column at least, got none"):
        Columns(Catalog.empty([]), 4, lambda catalog, width: SimpleNamespace(count=0))

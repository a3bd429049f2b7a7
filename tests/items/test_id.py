"""The embedding table."""

from __future__ import annotations

import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.items.id import IdItems


def test_initial_spread(catalog: Catalog) -> None:
    torch.manual_seed(0)
    assert IdItems(catalog, 500, std=0.3).table()[1:].std().item() == pytest.approx(0.3, rel=0.05)


def test_std_out_of_range(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match=r"^items.std must be positive, got 0. Set items.std.$"):
        IdItems(catalog, 4, std=0)

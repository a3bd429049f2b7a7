from __future__ import annotations

import pytest
import torch

from rec_lightning.tasks.distinct import distinct


@pytest.mark.parametrize("top", [3, 50, 100_000])
@pytest.mark.parametrize("shape", [(1,), (60,), (6, 10)])
def test_they_are_those_of_torch_unique(shape: tuple[int, ...], top: int) -> None:
    torch.manual_seed(0)
    items = torch.randint(0, top, shape)
    expected = torch.unique(items, return_inverse=True)
    for found, there in zip(distinct(items), expected, strict=True):
        assert torch.equal(found, there)
        assert found.dtype == there.dtype

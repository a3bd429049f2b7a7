"""Auto takes the full softmax while it fits, then chunks; the number is the same and the choice is told."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.losses.auto import AutoSoftmax
from rec_lightning.losses.full_softmax import FullSoftmax


def catalog(items: int) -> Catalog:
    return Catalog(pl.DataFrame({"item": range(items)}), np.ones(items + 1, np.int64))


@pytest.mark.parametrize(("items", "which"), [(1024, "full"), (1025, "chunked")])
def test_the_limit_is_kept_and_the_choice_told(items: int, which: str) -> None:
    # 8 * 16 positions of 1,024 items in 3 copies of 4 bytes are 1.5 MB
    loss = AutoSoftmax(batch_size=8, max_length=16, memory_mb=1.5)
    loss.prepare(catalog(items))
    assert loss.choice == (
        f"{which} softmax, since 3 copies of the logits of 128 positions and {items:,} items take 1.5 MB of at most "
        "1.5 (loss.memory_mb)"
    )
    called = []
    for name in ("full", "chunked"):
        getattr(loss, name).register_forward_hook(lambda *_, name=name: called.append(name))
    loss(torch.randn(5, 4), torch.randn(items + 1, 4), torch.ones(5, dtype=torch.long))
    assert called == [which]


@pytest.mark.parametrize("memory", [1e-9, 1e9])
def test_the_number_is_the_full_softmax(memory: float) -> None:
    torch.manual_seed(0)
    queries, keys, target = torch.randn(9, 4), torch.randn(21, 4), torch.randint(1, 21, (9,))
    loss = AutoSoftmax(8, 16, memory, label_smoothing=0.1)
    loss.prepare(catalog(20))
    assert loss(queries, keys, target).item() == pytest.approx(FullSoftmax(0.1)(queries, keys, target).item(), abs=1e-6)


def test_no_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^loss.memory_mb must be positive, got 0. Set loss.memory_mb.$"):
        AutoSoftmax(8, 16, 0)

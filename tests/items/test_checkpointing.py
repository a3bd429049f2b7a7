"""Gradient checkpointing: the same gradients from less memory, and where it has no effect it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog
from rec_lightning.items.text import TextItems
from rec_lightning.tuning.apply import apply
from tests.tuning import cells

Model = Callable[..., str]


def step(catalog: Catalog, model: str, choice: str, **options: Any) -> tuple[Tensor, dict[str, Tensor], int]:
    """The table, its gradients, and the bytes kept between forward and backward."""
    torch.manual_seed(0)
    items = TextItems(catalog, 16, model, max_tokens=20, fresh=None, **options)
    apply(cells.tuning(choice, "encoder"), {"items": items})
    for _ in range(2):  # the second step goes on from the cache
        items.zero_grad()
        kept = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal kept
            kept += tensor.numel() * tensor.element_size()
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            table = items.table()
        table.square().sum().backward()
    gradients = {n: p.grad for n, p in items.named_parameters() if p.grad is not None}
    return table.detach(), gradients, kept


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2}], ids=["plain", "dropout"])
@pytest.mark.parametrize("choice", ["full", "lora", "prompt"])
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_equal_gradients_from_less_memory(
    family: str, choice: str, options: Any, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    folder = language_model(family)
    table, gradients, kept = step(catalog, folder, choice, **options)
    other, others, less = step(catalog, folder, choice, gradient_checkpointing=True, **options)
    assert torch.equal(table, other)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, others[name], atol=1e-5), name
    assert less < 0.6 * kept


@pytest.mark.parametrize("choice", ["frozen", "side"])
def test_refused_where_no_gradient_goes_through(
    choice: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    text = r"^items.gradient_checkpointing has no effect where no gradient goes through the encoder, got true. Set it"
    with pytest.raises(ValueError, match=text):
        step(catalog, language_model("bert"), choice, gradient_checkpointing=True)

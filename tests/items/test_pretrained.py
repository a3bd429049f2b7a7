"""Vectors learnt elsewhere: the same as the frozen language model they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rec_lightning.contracts import Catalog
from rec_lightning.items.pretrained import PretrainedItems
from rec_lightning.items.text import TextItems
from rec_lightning.items.text_vectors import TextVectors
from rec_lightning.items.vector_file import VectorFile
from rec_lightning.tasks.lean import lean_state
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.frozen import Frozen
from rec_lightning.tuning.full import Full
from rec_lightning.tuning.lora import Lora


def test_saved_text_vectors_do_what_the_frozen_encoder_does(
    cache: Path, tmp_path: Path, catalog: Catalog, language_model: Callable[..., str]
) -> None:
    model = language_model("bert")
    text = TextItems(catalog, 16, model, max_tokens=20).eval()
    text.encoder.requires_grad_(False)
    vectors = TextVectors(model, max_tokens=20)
    state = torch.get_rng_state()
    np.save(tmp_path / "v.npy", vectors(catalog).numpy())
    assert torch.equal(torch.get_rng_state(), state)
    items = PretrainedItems(catalog, 16, VectorFile(str(tmp_path / "v.npy")))
    around = {k: v for k, v in text.state_dict().items() if not k.startswith("encoder.")}
    items.load_state_dict(around, strict=False)
    assert torch.allclose(items.table(), text.table(), atol=1e-6)


def made(tmp_path: Path, catalog: Catalog) -> PretrainedItems:
    np.save(tmp_path / "v.npy", np.random.default_rng(1).standard_normal((12, 6)))
    return PretrainedItems(catalog, 16, VectorFile(str(tmp_path / "v.npy")))


def test_frozen_vectors_stay_out_of_the_checkpoint_and_trained_ones_move(tmp_path: Path, catalog: Catalog) -> None:
    frozen, full = made(tmp_path, catalog), made(tmp_path, catalog)
    apply(Frozen(), {"items": frozen})
    apply(Full(), {"items": full})
    assert set(lean_state(full)) - set(lean_state(frozen)) == {"embedding.weight"}
    for items in (frozen, full):
        before = items.embedding.get_parameter("weight").clone()
        items.table().square().sum().backward()
        torch.optim.AdamW([p for p in items.parameters() if p.requires_grad], lr=0.1).step()
        moved = (items.embedding.get_parameter("weight") != before).any(1)
        assert moved.tolist() == [False] + [items is full] * 12


def test_a_method_for_linear_layers_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(ValueError, match=r"^tuning=lora needs linear layers, and items=PretrainedItems \(Embedding\)"):
        apply(Lora(), {"items": made(tmp_path, catalog)})

"""A base of few bits: how near it stays, what trains beside it, what is kept, and the refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rec_lightning.backbones.hf_sequence import HFSequence
from rec_lightning.backbones.hf_trunks import pretrained
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.items.text import TextItems
from rec_lightning.tasks.lean import lean_state
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.full import Full
from rec_lightning.tuning.lora import Lora
from rec_lightning.tuning.qlora import Qlora

Model = Callable[..., str]


def made(catalog: Catalog, model: str, quantize: Any) -> TextItems:
    torch.manual_seed(0)
    return TextItems(catalog, 16, model, max_tokens=20, fresh=None, quantize=quantize)


@pytest.mark.parametrize(("bits", "most"), [("nf4", 0.2), ("int8", 0.03)])
def test_training_beside_a_base_of_few_bits(
    bits: str, most: float, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    model = language_model("bert")
    full, items = made(catalog, model, None), made(catalog, model, bits)
    kinds = {type(m).__name__ for m in items.encoder.modules() if isinstance(m, torch.nn.Linear)}
    assert kinds == {"Linear4bit" if bits == "nf4" else "Linear8bitLt"}
    with torch.no_grad():
        want, found = full.eval().pooled(torch.arange(1, 13)), items.eval().pooled(torch.arange(1, 13))
    assert 1e-4 < float((found - want).norm() / want.norm()) < most
    assert items.base == full.base | {"weights": f"{bits} of {full.base['weights']}"}
    apply(Qlora(layers=None), {"items": items})
    optimizer = torch.optim.Adam([p for p in items.parameters() if p.requires_grad], lr=0.01)
    losses = []
    aim = torch.randn(12, 32)
    for _ in range(20):
        optimizer.zero_grad()
        loss = (items.train().pooled(torch.arange(1, 13)) - aim).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    inside = {n for n in lean_state(items) if n.startswith("encoder.") and "lora_" not in n}
    assert inside <= {n for n, _ in items.named_buffers()}


@pytest.mark.parametrize("bits", ["nf4", "int8"])
def test_a_language_model_over_item_vectors_trains_beside_few_bits(
    bits: Any, cache: Path, language_model: Model
) -> None:
    torch.manual_seed(0)
    llama = language_model("llama")
    full = HFSequence(16, 8, partial(pretrained, model=llama))
    model = HFSequence(16, 8, partial(pretrained, model=llama, quantize=bits))
    assert full.base is not None
    assert model.base == full.base | {"weights": f"{bits} of {full.base['weights']}"}
    with pytest.raises(ValueError, match="only tuning=qlora and tuning=frozen"):
        apply(Lora(target="backbone"), {"backbone": model})
    apply(Qlora(target="backbone", layers=None), {"backbone": model})
    one = torch.ones(4, dtype=torch.long)
    batch = Batch(one, torch.ones(4, 8, dtype=torch.long), 8 * one, torch.ones(4, 8, dtype=torch.long))
    vectors = torch.randn(4, 8, 16)
    moved = [name for name, p in model.named_parameters() if p.requires_grad and ".lora_" in name]
    assert moved
    model.train().states(batch, vectors).square().mean().backward()
    got = {name for name, p in model.named_parameters() if p.grad is not None}
    assert set(moved) <= got
    assert not {name for name in got if ".base_layer." in name}


@pytest.mark.gpu
@pytest.mark.parametrize("bits", ["nf4", "int8"])
def test_it_moves_to_a_gpu(bits: str, cache: Path, catalog: Catalog, language_model: Model) -> None:
    items = made(catalog, language_model("bert"), bits)
    apply(Qlora(layers=None), {"items": items})
    here = items.eval().table().detach()
    there = items.cuda().table().detach().cpu()
    assert torch.allclose(here, there, atol=0.05)


def test_what_cannot_work_is_refused(
    cache: Path, catalog: Catalog, language_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = language_model("bert")
    for method in (Full(), Lora()):
        text = (
            "items=TextItems keeps its weights in few bits (nf4), which only tuning=qlora and tuning=frozen can work "
            "with. Set tuning=qlora, or its option quantize=null."
        )
        with pytest.raises(ValueError, match="^" + re.escape(text) + "$"), torch.device("meta"):
            apply(method, {"items": made(Catalog.empty(["title"]), model, "nf4")})
    text = "tuning=qlora needs a base in 4 or 8 bits, and items=TextItems has full weights. Set tuning=lora, or items."
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        apply(Qlora(), {"items": made(catalog, model, None)})
    monkeypatch.setattr("rec_lightning.few_bits.find_spec", lambda _: None)
    text = (
        "items.quantize=nf4 needs the package bitsandbytes, which is not installed. "
        "Run pip install 'rec-lightning[bitsandbytes]', or set items.quantize=null."
    )
    with pytest.raises(ValueError, match="^" + re.escape(text) + "$"), torch.device("meta"):
        made(Catalog.empty(["title"]), model, "nf4")

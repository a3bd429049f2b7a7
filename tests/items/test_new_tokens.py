"""New tokens train alone: not the table, under every method, and the checkpoint holds their rows only."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from rec_lightning.contracts import Catalog
from rec_lightning.items.text import TextItems
from rec_lightning.tasks.lean import check_lean, lean_state
from rec_lightning.tuning.apply import apply
from rec_lightning.tuning.side import Side
from tests.tuning import cells

Model = Callable[..., str]
TEMPLATE = "{title} [Sci-Fi]"


def made(catalog: Catalog, model: str, **options: Any) -> TextItems:
    torch.manual_seed(0)
    given = {"template": TEMPLATE, "max_tokens": 24, "fresh": None, "new_tokens": ["[Sci-Fi]"]} | options
    return TextItems(catalog, 16, model, **given)


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_the_row_starts_as_the_mean_of_its_pieces(
    family: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    folder = language_model(family)
    items = made(catalog, folder)
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    pieces = tokenizer("[Sci-Fi]", add_special_tokens=False)["input_ids"]
    # the usual way: a longer table
    tokenizer.add_tokens(["[Sci-Fi]"])
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        table = encoder.get_input_embeddings().weight
        table[-1] = table[pieces].mean(0)
        texts = [TEMPLATE.format(title=title) for title in catalog.items["title"]]
        want = []
        for text in texts:
            ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
            want.append(encoder(**ids).last_hidden_state[0].mean(0))
    assert items.new_tokens is not None
    assert torch.allclose(items.new_tokens[0], table[-1])
    assert torch.allclose(items.pooled(torch.arange(1, 13)), torch.stack(want), atol=1e-5)


@pytest.mark.parametrize("choice", ["full", "frozen", "lora", "bitfit", "top_layers", "houlsby", "prompt", "prefix"])
def test_it_trains_under_every_method_and_the_table_does_not(
    choice: str, cache: Path, catalog: Catalog, language_model: Model
) -> None:
    def tuned() -> TextItems:
        items = made(catalog, language_model("bert"))
        apply(cells.tuning(choice, "encoder"), {"items": items})
        return items

    items = tuned()
    plain = made(catalog, language_model("bert"), new_tokens=[])
    apply(cells.tuning(choice, "encoder"), {"items": plain})
    trained = {n for n, p in items.named_parameters() if p.requires_grad}
    assert {n.replace("table.weight", "weight") for n in trained} == {
        n for n, p in plain.named_parameters() if p.requires_grad
    } | {"new_tokens"}
    optimizer = torch.optim.Adam([p for p in items.parameters() if p.requires_grad], lr=0.01)
    aim = torch.randn(13, 16, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        optimizer.zero_grad()
        (items.table() - aim).square().mean().backward()
        optimizer.step()
    assert items.new_tokens is not None
    moved = items.new_tokens.detach() - made(catalog, language_model("bert")).new_tokens
    assert moved.abs().min() > 1e-4
    state = lean_state(items)
    assert state["new_tokens"].shape == (1, 32)
    if choice != "full":
        assert not [n for n in state if "embeddings" in n and n.endswith("weight") and "prompt" not in n]
    other = tuned()
    check_lean(other, state)
    other.load_state_dict(state, strict=False)
    assert torch.allclose(other.eval().table(), items.eval().table(), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["alpha"], "items.new_tokens must be words the tokenizer does not know, each once, got 'alpha'. "),
        (["[x]", "[x]"], "items.new_tokens holds '[x]', which is in no item's text, so it would learn nothing. "),
        (["[Sci-Fi]"] * 2, "items.new_tokens must be words the tokenizer does not know, each once, got '[Sci-Fi]'. "),
        ([" "], "items.new_tokens must be words the tokenizer does not know, each once, got ' '. "),
    ],
)
def test_refusals(words: list[str], problem: str, catalog: Catalog, language_model: Model, cache: Path) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(problem)):
        made(catalog, language_model("bert"), new_tokens=words)


def test_not_beside_a_cache(catalog: Catalog, language_model: Model, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"^items.new_tokens \(here 1\) change what the encoder says, which a network"):
        apply(Side(), {"items": made(catalog, language_model("bert"))})


def test_without_data_or_weights_a_run_can_be_put_together(language_model: Model) -> None:
    with torch.device("meta"):
        items = made(Catalog.empty(["title"]), language_model("bert"))
        apply(cells.tuning("lora", "encoder"), {"items": items})
    assert items.new_tokens is not None
    assert items.new_tokens.shape == (1, 32)

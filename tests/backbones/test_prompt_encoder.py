"""An encoder over prompts: right against a plain pass, alike alone and in a batch, and it learns by heart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from transformers import AutoModel

from rec_lightning.backbones.prompt_encoder import PromptEncoder
from rec_lightning.backbones.prompts import Prompts
from rec_lightning.contracts import Catalog
from rec_lightning.heads.classifier import Classifier
from rec_lightning.tuning.apply import apply
from tests.backbones.test_prompt_lm import NOTHING, alone, many
from tests.backbones.test_prompts import LINES, films
from tests.tuning import cells

Make = Callable[..., PromptEncoder]


@pytest.fixture
def made(language_model: Callable[..., str]) -> Make:
    def make(family: str = "bert", of: Catalog | None = None, **changes: Any) -> PromptEncoder:
        torch.manual_seed(0)
        prompt = partial(Prompts, template=LINES, item="{{ title }}", max_tokens=60)
        model = language_model(family, max_position_embeddings=99)
        options = {"prompt": prompt, "model": model, "words": ["rho", "tau"]} | changes
        return PromptEncoder(of or films(), **options).eval()

    return make


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_row_is_that_of_a_plain_pass_alone_and_in_any_batch(pooling: str, made: Make) -> None:
    batch, whole = many(), made(pooling=pooling)
    plain = AutoModel.from_pretrained(whole.base["name"]).eval()  # type: ignore[index]
    with torch.no_grad():
        found = whole.states(batch, NOTHING)
        assert found.shape == (5, 2, 32)
        for ids, said in zip(whole.prompts(batch).ids, found.flatten(0, 1), strict=True):
            states = plain(torch.from_numpy(ids)[None]).last_hidden_state[0]
            expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
            assert torch.allclose(expected, said, atol=1e-5)
        few = made(pooling=pooling, chunk_tokens=30)
        for row in range(5):
            assert torch.allclose(few.states(alone(batch, row), NOTHING)[0], found[row], atol=1e-5)


@pytest.mark.parametrize("choice", ["full", "prefix", "houlsby", "bitfit", "top_layers"])
def test_what_a_tuning_trains_gets_a_gradient(choice: str, made: Make) -> None:
    model, batch = made(), many(4)
    apply(cells.tuning(choice, "vectors"), {"backbone": model})
    model.states(batch, NOTHING).square().sum().backward()
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    moved = [name for name, grad in trained.items() if grad is not None and grad.abs().sum() > 0]
    assert len(moved) > len(trained) / 3  # an adapter that starts at zero holds the other half back


def test_ten_texts_are_learnt_by_heart(made: Make) -> None:
    model, batch = made(), many(12)
    batch.label = (batch.candidate > 3).float()  # type: ignore[operator]
    apply(cells.tuning("lora", "vectors"), {"backbone": model})
    head = Classifier(films(), 1, model.outputs, dropout=0.0)
    trained = [p for part in (model, head) for p in part.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        scores = head(batch, model.states(batch, NOTHING), NOTHING, NOTHING).squeeze(-1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, batch.label)
        loss.backward()
        optimizer.step()
    assert loss < 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": -0.1}, r"^backbone.dropout must be in \[0, 1\), got -0.1"),
        ({"chunk_tokens": 0}, r"^backbone.chunk_tokens must be at least 1, got 0"),
        ({"prompt": partial(Prompts, template=LINES, item="{{ title }}")}, r"max_tokens must be 1..99, .* got 512"),
    ],
)
def test_what_cannot_work_is_refused(made: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**changes)
    with pytest.raises(ValueError, match=r"^head.dropout must be in \[0, 1\), got 1.0"):
        Classifier(films(), 1, 32, dropout=1.0)


def test_is_put_together_without_weights_and_data(made: Make) -> None:
    with torch.device("meta"):
        model = made(of=Catalog.empty(["title"]))
    assert all(p.is_meta for p in model.parameters())

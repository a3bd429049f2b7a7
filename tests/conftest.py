"""Parts that tests of several rooms use: tiny language models, a small catalogue, batches, and every file of ``conf``.

Nothing here touches a network, and no test writes to the user's own cache but those marked ``net``, whose downloads
are kept there for the next time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rec_lightning.contracts import Batch, Catalog

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau".split()


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """One ``$REC_CACHE`` for all tests that ask for none of their own; gives the user's."""
    own = os.environ.get("REC_CACHE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(tmp_path_factory.mktemp("shared_cache")))
        yield own


@pytest.fixture(autouse=True)
def downloads(request: pytest.FixtureRequest, shared_cache: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own cache for tests marked ``net``."""
    if request.node.get_closest_marker("net") is not None:
        monkeypatch.delenv("REC_CACHE")
        if shared_cache is not None:
            monkeypatch.setenv("REC_CACHE", shared_cache)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``$REC_CACHE``."""
    place = tmp_path / "cache"
    monkeypatch.setenv("REC_CACHE", str(place))
    return place


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``(family, seed=0, **config)`` -> folder of a random language model of 3 layers and width 32, made once."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    made: dict[str, str] = {}

    def make(family: str, seed: int = 0, **changes: Any) -> str:
        key = f"{family} {seed} {changes}"
        if key not in made:
            folder = tmp_path_factory.mktemp(family)
            special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
            vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
            tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
            tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
            if "bert" in family or family == "mpnet":
                tokenizer.post_processor = processors.TemplateProcessing(
                    "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
                )
            PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
            few = {"vocab_size": len(vocabulary), "max_position_embeddings": 40}
            ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
            config = AutoConfig.for_model(family, **(sizes | few | ids | changes))
            state = torch.get_rng_state()
            torch.manual_seed(seed)
            AutoModel.from_config(config).save_pretrained(folder)
            torch.set_rng_state(state)
            made[key] = str(folder)
        return made[key]

    return make


@pytest.fixture
def catalog() -> Catalog:
    """12 items with titles of 1 to 6 words; items 3 and 4 share a title."""
    generator = np.random.default_rng(0)
    titles = [" ".join(generator.choice(WORDS, 1 + i % 6)) for i in range(12)]
    titles[3] = titles[2]
    frame = pl.DataFrame({"item": [f"i{i}" for i in range(12)], "title": titles, "year": list(range(1990, 2002))})
    return Catalog(frame, np.array([0, *range(12, 0, -1)]))


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """``(lengths, items, width=None, seed=0)`` -> a training batch of random items, each target the next one."""

    def make(lengths: list[int], items: int, width: int | None = None, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        length = torch.tensor(lengths)
        shape = len(lengths), (width or max(lengths)) + 1
        events = torch.randint(1, items + 1, shape, generator=generator)
        real = torch.arange(shape[1] - 1) < length.unsqueeze(1)
        return Batch(torch.arange(len(lengths)), events[:, :-1] * real, length, events[:, 1:] * real)

    return make

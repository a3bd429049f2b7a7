"""The words of an item's text with their tokens, as the model reads them.

Relations: ``explanation`` weighs them; texts come from the template of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rec_lightning.contracts import Catalog
from rec_lightning.items.templates import render

# T tokens, W words


@dataclass(frozen=True)
class Words:
    """A text.

    Args:
        words: W of them.
        tokens: places of each word's tokens.
        ids: (1, T).
        mask: (1, T).
        empty: (1, T) the same with padding in the place of every word.
    """

    words: list[str]
    tokens: list[list[int]]
    ids: Tensor
    mask: Tensor
    empty: Tensor

    def without_each(self) -> tuple[Tensor, Tensor]:
        """The ids (W, T) without one word after another, padded at the right, and their mask."""
        every = self.ids[0].tolist()
        rows = [[i for place, i in enumerate(every) if place not in own] for own in self.tokens]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])  # any id: it is masked
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return ids.to(self.ids.device), mask.to(self.ids.device)


def words_of(reader: Any, catalog: Catalog, item: int, device: torch.device) -> Words:
    """The words of an item.

    Args:
        reader: the part of the items that reads texts.
        catalog: whose table has the columns of the template.
        item: index.
        device: of the tensors.
    """
    text = render(reader.template, catalog.items[item - 1 : item])[0]
    tokenizer, pad = reader.tokens.tokenizer, reader.tokens.pad
    encoded = tokenizer(text, truncation=True, max_length=reader.tokens.max_tokens)
    ids = encoded["input_ids"] or [pad]
    spans: dict[int, list[int]] = {}
    for place, word in enumerate(encoded.word_ids() if encoded["input_ids"] else []):
        if word is not None:
            spans.setdefault(word, []).append(place)
    names = []
    for word in spans:
        span = encoded.word_to_chars(word)
        names.append(text[span.start : span.end].strip())
    empty = list(ids)
    for places in spans.values():
        for place in places:
            empty[place] = pad
    one = torch.tensor([ids], device=device)
    return Words(names, list(spans.values()), one, torch.ones_like(one), torch.tensor([empty], device=device))


def embedding_of(encoder: nn.Module) -> nn.Module:
    """What makes vectors of token ids inside an encoder, however it is wrapped."""
    model = next(part for part in encoder.modules() if isinstance(part, PreTrainedModel))
    found: nn.Module = model.get_input_embeddings()
    return found

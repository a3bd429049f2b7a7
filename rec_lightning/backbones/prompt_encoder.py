"""A pretrained model reads history and candidate as one text, and its pooled state goes to a classification head.

The usual way to classify texts: J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", NAACL 2019, https://arxiv.org/abs/1810.04805. What differs: any encoder or decoder, any pooling, any
fine-tuning method, and a text made from a history by a template.

Relations: ``prompt_lm`` asks a causal model for words instead; ``items/text`` reads each item apart;
``heads/classifier`` stands on it.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from rec_lightning.backbones.prompt_chunks import chunks
from rec_lightning.backbones.prompt_lm import MakesPrompts
from rec_lightning.backbones.prompt_reader import PromptReader
from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.few_bits import Bits
from rec_lightning.identity import identity
from rec_lightning.language_models import load

# B rows, C candidates, H width of the model, n prompts of a chunk, T tokens


class PromptEncoder(PromptReader):
    """Prompts, the model, pooling over the real tokens.

    Args:
        catalog: the items and users that the prompts tell of.
        prompt: makes the prompts.
        model: a folder, a GGUF file or a name on the hub.
        words: how labels are called in the history, in their order; empty to write them as numbers.
        pooling: ``mean`` over the real tokens, the first (``cls``) or the last real one (``last``).
        dropout: of all its dropout layers, in [0, 1).
        chunk_tokens: tokens read at once; null for what suits the device.
        quantize: keeps its linear layers in 4 bits (``nf4``) or 8 (``int8``); null for full weights.

    Raises:
        ValueError: a value out of range, or a template that does not fit.
        FileNotFoundError: the model cannot be had.
    """

    kinds: tuple[Kind, ...] = ("binary", "number", "classes")

    def __init__(
        self,
        catalog: Catalog,
        prompt: MakesPrompts,
        model: str,
        words: list[str],
        pooling: Literal["mean", "cls", "last"] = "mean",
        dropout: float = 0.0,
        chunk_tokens: int | None = None,
        quantize: Bits | None = None,
    ) -> None:
        super().__init__(dropout, chunk_tokens)
        tokenizer, encoder = load(model, "backbone.model")
        most = min(tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", math.inf))
        longest = None if math.isinf(most) else int(most)
        self.prompts = prompt(catalog=catalog, tokenizer=tokenizer, words=list(words), longest=longest)
        self.base = identity(model, encoder, tokenizer) or None
        encoder.pooler = None  # type: ignore[assignment]  # unused here, and would count as trained without ever moving
        self.hold(encoder, quantize)
        self.pooling, self.outputs = pooling, int(encoder.config.hidden_size)
        self.place = nn.Buffer(torch.empty(0), persistent=False)  # says on which device it is

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """The pooled state of each candidate's prompt: (B, C, H). Item vectors are not read."""
        assert batch.candidate is not None
        found = list[tuple[Tensor, Tensor]]()
        for places, ids, length in chunks(self.prompts(batch, self.training).ids, self.place.device, self.chunk_tokens):
            mask = (torch.arange(ids.shape[1], device=ids.device) < length.unsqueeze(1)).long()  # (n, T)
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, T, H)
            found.append((places, self._pool(states, mask)))
        places, pooled = (torch.cat(parts) for parts in zip(*found, strict=True))
        out: Tensor = pooled[torch.argsort(places)].unflatten(0, batch.candidate.shape)
        return out

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        # (n, T, H), (n, T) -> (n, H)
        if self.pooling == "cls":
            return states[:, 0]
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
        weights = mask.unsqueeze(2).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)

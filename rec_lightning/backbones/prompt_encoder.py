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

from rec_lightning.backbones.prompt_chunks import check_chunk, chunks
from rec_lightning.backbones.prompt_lm import MakesPrompts
from rec_lightning.backbones.prompts import Prompted
from rec_lightning.contracts import Batch, Catalog, Kind
from rec_lightning.few_bits import Bits, quantise
from rec_lightning.identity import identity
from rec_lightning.language_models import load, set_dropout

# B rows, C candidates, H width of the model, n prompts of a chunk, T tokens


class PromptEncoder(nn.Module):
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
    per_candidate = True
    pretrained = True

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
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        check_chunk(chunk_tokens)
        tokenizer, encoder = load(model, "backbone.model")
        most = min(tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", math.inf))
        longest = None if math.isinf(most) else int(most)
        self.prompts = prompt(catalog=catalog, tokenizer=tokenizer, words=list(words), longest=longest)
        self.base: dict[str, str] | None = identity(model, encoder, tokenizer) or None
        if quantize is not None:
            quantise(encoder, quantize, "backbone.quantize")
            self.base = self.base and self.base | {"weights": f"{quantize} of {self.base['weights']}"}
        encoder.pooler = None  # type: ignore[assignment]  # unused here, and would count as trained without ever moving
        set_dropout(encoder, dropout)
        self.model: nn.Module = encoder
        self.pooling, self.chunk_tokens, self.outputs = pooling, chunk_tokens, int(encoder.config.hidden_size)
        self.place = nn.Buffer(torch.empty(0), persistent=False)  # says on which device it is

    @property
    def needs_time(self) -> bool:
        """Whether batches must carry times: solved examples are from before."""
        return self.prompts.examples.count > 0

    @property
    def without_times(self) -> str:
        """What to set where the data have none."""
        return "set backbone.prompt.examples.count=0"

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the model."""
        return self.model

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.model = module

    def pose(self, batch: Batch) -> Batch:
        """As it is."""
        return batch

    def prompted(self, batch: Batch) -> Prompted:
        """The prompts of a batch, for who counts their tokens."""
        return self.prompts(batch)

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """The pooled state of each candidate's prompt: (B, C, H). Item vectors are not read."""
        assert batch.candidate is not None
        found = list[tuple[Tensor, Tensor]]()
        for places, ids, length in chunks(self.prompts(batch).ids, self.place.device, self.chunk_tokens):
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

"""Items as their texts, read by a pretrained language model.

A text is rendered from the item table by a template, tokenised once, encoded by any Hugging Face encoder (or a
decoder, with ``pooling: last``), pooled over its real tokens and projected to the model's width. The projection is
new and always trains; what trains inside the encoder is up to the fine-tuning plug-in.

Cost: texts are encoded once per unique item, in chunks of equal-length texts; the layers below the lowest trained one
are computed once ever and kept on disk. A training step that asks for more than ``fresh`` items, be it the whole
catalogue or those of a batch, encodes only that many of them anew, drawn at random, and takes the others from the bank,
which holds each item's vector from the last time it was drawn (the idea of a memory bank as in Wu et al., "Unsupervised
Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018, https://arxiv.org/abs/1805.01978); one that it
lacks is encoded without a gradient. Evaluation encodes everything anew.

A query that an event carries is read like one more item's text, by the same encoder and projection.

Relations: ``id`` learns a vector without text; ``fused`` adds both; ``queries`` has the texts of the events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from rec_lightning.contracts import Aside, Catalog, TextAugmentation
from rec_lightning.few_bits import Bits, quantise
from rec_lightning.identity import identity
from rec_lightning.items.hidden import HiddenCache
from rec_lightning.items.layers import frozen_below, layers_of
from rec_lightning.items.new_tokens import extend
from rec_lightning.items.queries import Queries
from rec_lightning.items.templates import render
from rec_lightning.items.tokens import Tokens
from rec_lightning.language_models import load, set_dropout

# M items asked for, N items, T tokens, H width of the encoder, D width of the model, B events

Pooling = Literal["mean", "cls", "last"]


class TextItems(nn.Module):
    """Text -> tokens -> encoder -> pooling -> projection.

    Args:
        catalog: the item table the texts come from.
        width: D.
        model: folder or hub name of the encoder.
        template: the text of an item, with ``{column}`` fields.
        pooling: ``mean`` over the real tokens, the first token (``cls``) or the last real one (``last``).
        max_tokens: longer texts are cut.
        fresh: most texts that a training step encodes anew and learns from; null for all that it asks for.
        dropout: of the encoder's own dropout layers while it trains, in [0, 1).
        chunk_tokens: tokens encoded at once; bounds the memory and the padding; null for what suits the device: 512 on
            a CPU, 8192 elsewhere (see ``tokens``).
        new_tokens: words of the texts that get a token of their own; their rows train under every fine-tuning method,
            so nothing is taken from the cache then.
        quantize: keeps the encoder's linear layers in 4 bits (``nf4``) or 8 (``int8``); null for full weights.
        gradient_checkpointing: whether layers are computed again in the backward pass and not kept.
        query: column of the events whose texts are read too; None for none.

    Raises:
        ValueError: a value out of range, a column that holds no texts, or a template that does not fit the item table.
        FileNotFoundError: the model cannot be had.
    """

    pretrained = True
    bank: Tensor
    banked: Tensor
    asks: Tensor

    def __init__(
        self,
        catalog: Catalog,
        width: int,
        model: str = "sentence-transformers/all-MiniLM-L6-v2",
        template: str = "{title}",
        pooling: Pooling = "mean",
        max_tokens: int = 64,
        fresh: int | None = 256,
        dropout: float = 0.0,
        chunk_tokens: int | None = None,
        new_tokens: Sequence[str] = (),
        gradient_checkpointing: bool = False,
        quantize: Bits | None = None,
        query: str | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("fresh", fresh), ("chunk_tokens", chunk_tokens)):
            if value is not None and value < 1:
                raise ValueError(f"items.{name} must be at least 1, got {value}. Set items.{name}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"items.dropout must be in [0, 1), got {dropout}. Set items.dropout.")
        self.queries = Queries(catalog.events, query)
        self.event_columns = self.queries.columns
        own = render(template, catalog.items)
        texts = [*own, *self.queries.texts]
        tokenizer, encoder = load(model)
        self.base = identity(model, encoder, tokenizer)
        if quantize is not None:
            quantise(encoder, quantize, "items.quantize")
            self.base |= {"weights": f"{quantize} of {self.base['weights']}"} if self.base else {}
        least = tokenizer.num_special_tokens_to_add() + 1
        most = min(tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", math.inf))
        if not least <= max_tokens <= most:
            raise ValueError(
                f"items.max_tokens must be {least}..{most}, what {model} takes, got {max_tokens}. Set items.max_tokens."
            )
        encoder.pooler = None  # type: ignore[assignment]  # unused here, and would count as trained without ever moving
        set_dropout(encoder, dropout)
        encoder.train()  # some models ask for it where they drop, and all where they checkpoint
        if gradient_checkpointing:
            encoder.gradient_checkpointing_enable({"use_reentrant": False})
        self.new_tokens = extend(tokenizer, encoder, new_tokens, texts) if new_tokens else None
        self.gradient_checkpointing, self.template = gradient_checkpointing, template
        self.width, self.pooling, self.fresh, self.size = width, pooling, fresh, catalog.size
        self.encoder: nn.Module = encoder
        self.tokens = Tokens(tokenizer, texts, max_tokens, chunk_tokens)
        self.choice = self.tokens.told(own)
        self.hidden, self.texts = HiddenCache(), list[str]()
        self.augmentation: TextAugmentation | None = None
        self.norm = nn.LayerNorm(encoder.config.hidden_size)
        self.projection = nn.Linear(encoder.config.hidden_size, width)
        # the last pooled vector of each text, and which have one; no weights, but a resumed run needs them
        self.register_buffer("bank", torch.empty(0), persistent=False)
        self.register_buffer("banked", torch.empty(0, dtype=torch.bool), persistent=False)
        self.register_buffer("asks", torch.tensor(self.queries.place), persistent=False)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the encoder."""
        return self.encoder

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place.

        Raises:
            ValueError: an option of the items has no effect on it.
        """
        if self.new_tokens is not None and isinstance(module, Aside):
            raise ValueError(
                f"items.new_tokens (here {len(self.new_tokens)}) change what the encoder says, which a network beside "
                "it reads from a cache. Set tuning=lora or another method, or items.new_tokens=[]."
            )
        runs = self._learns(module)
        if self.gradient_checkpointing and (not runs or isinstance(module, Aside)):
            raise ValueError(
                "items.gradient_checkpointing has no effect where no gradient goes through the encoder, got true. "
                "Set it to false, or choose another tuning."
            )
        self.encoder = module

    def extend(self, catalog: Catalog) -> None:
        """Reads the texts of another catalogue; what was learnt stays.

        Raises:
            ValueError: it lacks a column of the template.
        """
        texts = [*render(self.template, catalog.items), *self.queries.texts]
        self.tokens, self.size = self.tokens.of(texts), catalog.size
        self.hidden, self.bank = HiddenCache(), torch.empty(0, device=self.bank.device)

    def augment(self, augmentation: TextAugmentation, catalog: Catalog) -> None:
        """From now on changes texts at every step of training.

        Args:
            augmentation: draws a change by torch's generator.
            catalog: whose items these are.

        Raises:
            ValueError: the encoder is run once, so it would never read them; or none of the texts can change.
        """
        runs = self._learns(self.encoder)
        if not runs or isinstance(self.encoder, Aside):
            raise ValueError(
                f"augmentation={type(augmentation).__name__} has no effect on items whose encoder stays as it is: "
                "it reads every text once. Set augmentation=none, or tuning=lora or another method that trains it."
            )
        self.texts = render(self.template, catalog.items)
        augmentation.prepare(catalog, self.texts)
        self.augmentation = augmentation

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) -> (M, D), in training most of them from the bank; the padding gives zeros."""
        return self._project(self._asked_for(items)) * (items > 0).unsqueeze(1)

    def asked(self, event: Tensor) -> Tensor:
        """(B,) rows of ``Catalog.events`` -> (B, D) vectors of their queries, zeros where there is none."""
        unique, place = torch.unique(self.asks[event], return_inverse=True)
        return self.vectors(torch.where(unique > 0, unique + self.size, 0))[place]

    def read(self, items: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """What the vectors would be if these were the texts' tokens: (n,), (n, T), (n, T) -> (n, D).

        Nothing is taken from a cache, so an encoder with a network beside it cannot read so.
        """
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self._project(self._pool(states, mask).to(self.projection.weight.dtype))

    def table(self) -> Tensor:
        """(N + 1, D); in training, all but ``fresh`` rows come from the bank."""
        everything = torch.arange(self.size + 1, device=self.projection.weight.device)
        return nn.functional.pad(self._project(self._asked_for(everything)[1:]), (0, 0, 1, 0))

    def _learns(self, encoder: nn.Module) -> bool:
        # whether a step moves what it says of a text
        return self.new_tokens is not None or any(p.requires_grad for p in encoder.parameters())

    def _project(self, pooled: Tensor) -> Tensor:
        out: Tensor = self.projection(self.norm(pooled))
        return out

    def _asked_for(self, items: Tensor) -> Tensor:
        # (M,) -> (M, H); in training, ``fresh`` of them anew and the others from the bank
        places = items.nonzero().squeeze(1)
        if not (self.training and self._learns(self.encoder)) or self.fresh is None or len(places) <= self.fresh:
            return self.pooled(items)
        if self.bank.numel() == 0:
            texts = len(self.tokens.length)  # of items and queries
            self.bank = self.projection.weight.new_zeros(texts, self.projection.in_features)
            self.banked = torch.zeros(texts, dtype=torch.bool, device=self.bank.device)
        drawn = torch.randperm(len(places), device=items.device)
        chosen, rest = places[drawn[: self.fresh]], items[places[drawn[self.fresh :]]]
        anew = self.pooled(items[chosen])
        with torch.no_grad():
            lacks = rest[~self.banked[rest]]
            for rows, vectors in ((lacks, self.pooled(lacks)), (items[chosen], anew)):
                self.bank[rows], self.banked[rows] = vectors.detach().to(self.bank.dtype), True
        return self.bank[items].index_put((chosen,), anew.to(self.bank.dtype))

    def pooled(self, items: Tensor) -> Tensor:
        """(M,) -> (M, H), before the projection; row 0 of the table is zero."""
        if isinstance(self.encoder, Aside):
            states = self.hidden.layered(self.encoder.frozen, self.tokens, self._pool, self.pooling)[items.cpu()]
            return self.encoder.beside(states.to(self.projection.weight)) * (items > 0).unsqueeze(1)
        border = 0 if self.new_tokens is not None else frozen_below(self.encoder)
        if border > len(layers_of(self.encoder)):
            return self.hidden.pooled(self.encoder, self.tokens, self._pool, self.pooling)[items].to(
                self.projection.weight.dtype
            )
        if border and not self.hidden.goes_on(self.encoder, self.tokens, border):
            border = 0
        tokens, asked = self.tokens, items
        if self.augmentation is not None and self.training:
            tokens, asked, border = *self._changed(self.augmentation, items), 0  # kept states are of other texts
        out = self.projection.weight.new_zeros(len(items), self.projection.in_features)
        for rows, ids, mask in tokens.chunks(asked):
            with self.hidden.resumed(self.encoder, self.tokens, border, items[rows]) if border else nullcontext():
                states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            out.index_put_((rows,), self._pool(states, mask).to(out.dtype))  # in place: a copy has all rows
        return out

    def _changed(self, augmentation: TextAugmentation, items: Tensor) -> tuple[Tokens, Tensor]:
        # tokens of changed texts, and where those of each item are among them; the padding has none
        known = items.tolist()
        texts = [augmentation(item, self.texts[item - 1]) if item else "" for item in known]
        place = torch.arange(1, len(known) + 1, device=items.device)
        return self.tokens.of(texts), torch.where(items > 0, place, 0)

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        # (n, T, H), (n, T) -> (n, H)
        if self.pooling == "cls":
            return states[:, 0]
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
        weights = mask.unsqueeze(2).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)

    def resume_state(self) -> dict[str, Tensor]:
        """What an exactly resumed run needs beside the weights."""
        return {"bank": self.bank, "banked": self.banked}

    def load_resume_state(self, state: dict[str, Tensor]) -> None:
        """Takes back what ``resume_state`` gave."""
        device = self.projection.weight.device
        self.bank, self.banked = state["bank"].to(device), state["banked"].to(device)

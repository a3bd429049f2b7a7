"""Prompts with marks where vectors stand: ``user_vector`` and ``item_vector`` in the template.

A vector takes a few tokens. They are numbered below zero, by whose vector it is, so that they are counted in a
prompt's length, are never cut (events are), and prompts that begin alike also begin with the same vectors.

Relations: ``collm`` puts vectors where the marks are; ``prompts`` does everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rec_lightning.backbones.prompt_texts import Ints
from rec_lightning.backbones.prompts import MakesShots, Piece, Prompted, Prompts
from rec_lightning.contracts import Batch, Catalog

# B rows, C candidates, N items, K tokens of a vector

_USER, _ITEM = -1, -2


class VectorPrompts(Prompts):
    """Renders batches; a token below 0 is one of a vector.

    Vectors are numbered: 1..N are those of items, then those of texts that stand for no item, and from
    ``first_user`` on those of the rows' users. Token k of vector v is ``-1 - (v * K + k)``.

    Args:
        catalog: has the columns that the templates name.
        tokenizer: of the model that reads them.
        words: how labels are called, in their order; none to write them as numbers.
        template: as that of ``Prompts``, with ``user_vector``, ``item_vector`` (the candidate's) or both.
        item: of an item, over the columns of the item table.
        tokens: K.
        max_tokens: longest prompt, tokens of vectors counted.
        longest: what the model takes at most; None for any.
        examples: draws solved examples; None for none.
        blank: texts that stand for no item, as the candidates N + 1, ...

    Raises:
        ValueError: as ``Prompts``; the template names no vector, or K is below 1.
    """

    marks: ClassVar = {"user_vector": _USER, "item_vector": _ITEM}
    of_candidate: ClassVar = Prompts.of_candidate | {_ITEM}

    def __init__(
        self,
        catalog: Catalog,
        tokenizer: PreTrainedTokenizerBase,
        words: Sequence[str],
        template: str,
        item: str,
        tokens: int = 1,
        max_tokens: int = 512,
        longest: int | None = None,
        examples: MakesShots | None = None,
        blank: Sequence[str] = (),
    ) -> None:
        if tokens < 1:
            raise ValueError(f"backbone.prompt.tokens must be at least 1, got {tokens}. Set backbone.prompt.tokens.")
        self.tokens = tokens
        self.first_user = catalog.size + len(blank) + 1
        super().__init__(catalog, tokenizer, words, template, item, max_tokens, longest, examples, blank)
        named = {piece[0] for piece in self._pieces([], [], self._person(-1)) if not isinstance(piece, str)}
        self.of_user = _USER in named
        if not named & {_USER, _ITEM}:
            raise ValueError(
                "backbone.vectors have no effect on a template that names none of them, also without history. Write "
                "{{ user_vector }} or {{ item_vector }} into backbone.prompt.template, or set backbone=prompt_lm."
            )

    def __call__(self, batch: Batch, training: bool = False) -> Prompted:
        """The tokens of every row and candidate, those of vectors numbered by whose they are."""
        assert batch.candidate is not None
        made, several = super().__call__(batch, training), batch.candidate.shape[1]
        for place, (ids, item) in enumerate(zip(made.ids, batch.candidate.flatten().tolist(), strict=True)):
            user, token = self.first_user + place // several, -1 - ids[ids < 0]
            ids[ids < 0] = -1 - (np.where(token < self.tokens, user, item) * self.tokens + token % self.tokens)
        return made

    def vectors_at(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Of tokens below 0, whose vector it is and which of its tokens; of words anything: (...) -> (...), (...)."""
        code = torch.where(ids < 0, -1 - ids, self.tokens)
        return code // self.tokens, code % self.tokens

    def _ids(self, piece: Piece, candidate: int = 0) -> Ints:
        if isinstance(piece, str) or piece[0] >= 0:
            return super()._ids(piece, candidate)
        # numbers of the user's tokens, then of the item's, until the row is known
        return -1 - (np.arange(self.tokens) + (self.tokens if piece[0] == _ITEM else 0))

"""CoLLM: vectors of a collaborative model stand among a prompt's words as soft tokens.

Paper: Y. Zhang, F. Feng, J. Zhang, K. Bao, Q. Wang and X. He, "CoLLM: Integrating Collaborative Embeddings into Large
Language Models for Recommendation", TKDE 2025, https://arxiv.org/abs/2310.19488. What differs: the user's vector is the
state after the history up to the event, never a row of the user's own, so it knows nothing later and new users have
one; a user without history has the zero vector. Vectors are standardised before the mapping and tokens after it. The
collaborative model is any finished run of ours or a table that learns along; any causal model, template and fine-tuning
method. The paper's two steps are two runs: ``backbone=prompt_lm tuning=lora`` on words alone, then ``init=<that run>
backbone=collm tuning=frozen``, where the mapping alone trains (and the vectors where ``vectors.trained=true``).

Relations: ``prompt_lm`` is without vectors; ``vector_prompts`` has the marks, ``soft_tokens`` the mapping;
``hf_sequence`` has vectors alone and no words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rec_lightning.backbones.prompt_lm import MakesPrompts, PromptLM
from rec_lightning.backbones.prompt_prefix import Reading
from rec_lightning.backbones.soft_tokens import Collaborative, SoftTokens
from rec_lightning.backbones.vector_prompts import VectorPrompts
from rec_lightning.contracts import Batch, Catalog
from rec_lightning.few_bits import Bits

# B rows, M items asked for, n prompts of a chunk, T tokens, K tokens of a vector, H width of the model


class MakesVectors(Protocol):
    """Makes the collaborative model of a catalogue."""

    def __call__(self, catalog: Catalog) -> Collaborative: ...


class CoLLM(PromptLM):
    """Prompts with vectors, the model, the logits of the words at each prompt's last token.

    Args:
        catalog: the items and users that the prompts tell of.
        prompt: makes the prompts, with marks for vectors.
        model: a folder, a GGUF file or a name on the hub.
        words: what follows a prompt, in the order of the labels.
        vectors: makes the collaborative model.
        hidden: width of the mapping between its two layers.
        dropout: of all dropout layers of the language model, in [0, 1).
        chunk_tokens: tokens read at once; null for what suits the device.
        quantize: keeps its linear layers in 4 bits (``nf4``) or 8 (``int8``); null for full weights.
        share: whether, without gradients, a history is read once for all its candidates; changes no score.
        blank: texts without content for the candidate's place, whose answers are divided out; () for none.

    Raises:
        ValueError: as ``PromptLM``; a template without marks, or vectors that do not fit.
        FileNotFoundError: the model cannot be had.
    """

    def __init__(
        self,
        catalog: Catalog,
        prompt: MakesPrompts,
        model: str,
        words: Sequence[str],
        vectors: MakesVectors,
        hidden: int = 256,
        dropout: float = 0.0,
        chunk_tokens: int | None = None,
        quantize: Bits | None = None,
        share: bool = True,
        blank: Sequence[str] = (),
    ) -> None:
        super().__init__(catalog, prompt, model, words, dropout, chunk_tokens, quantize, share, blank)
        if not isinstance(self.prompts, VectorPrompts):
            raise ValueError(
                f"backbone.prompt must have marks for vectors, and {type(self.prompts).__name__} has none. Set "
                "backbone.prompt._target_ to VectorPrompts, or backbone=prompt_lm."
            )
        self.soft = SoftTokens(vectors(catalog=catalog), self.prompts.tokens, hidden, self._words().weight)

    @property
    def needs_time(self) -> bool:
        """Whether batches must carry times: solved examples are from before, or the vectors' model reads them."""
        return super().needs_time or self.soft.source.needs_time

    @property
    def without_times(self) -> str:
        """What to set where the data have none."""
        return f"{super().without_times} and backbone.vectors.run to one that reads no times"

    def _reading(self, batch: Batch) -> Reading:
        prompts: Any = self.prompts
        items = torch.unique(batch.candidate)  # sorted
        soft = self.soft(batch, items, prompts.size, prompts.of_user)  # (M + B, K, H) or (M, K, H)
        words = self._words()

        def read(ids: Tensor) -> dict[str, Tensor]:
            whose, token = prompts.vectors_at(ids)
            row = torch.where(
                whose < prompts.first_user,
                torch.searchsorted(items, whose),
                len(items) + whose - prompts.first_user,
            )
            said = words(ids.clamp(min=0))  # (n, T, H)
            vectors = soft[row.clamp(max=len(soft) - 1), token].to(said.dtype)
            return {"inputs_embeds": torch.where((ids < 0).unsqueeze(2), vectors, said)}

        return read

    def _words(self) -> Any:
        # the embedding of the vocabulary, however deep a fine-tuning method wrapped the model
        inner = next(part for part in self.model.modules() if isinstance(part, PreTrainedModel))
        return inner.get_input_embeddings()

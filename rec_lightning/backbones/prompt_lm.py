"""A causal language model as a scorer: the probability of label words after the history and the candidate in words.

Paper: K. Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation", RecSys 2023, https://arxiv.org/abs/2305.00447. What differs: any causal model of Hugging Face, any
fine-tuning method and any template; no general instructions are learnt before; the loss is over the label words alone,
as the score is, and not over the whole vocabulary, so the logits of other words are never computed.

What a model says anyway may be divided out: T. Zhao, E. Wallace, S. Feng, D. Klein and S. Singh, "Calibrate Before Use:
Improving Few-shot Performance of Language Models", ICML 2021, https://arxiv.org/abs/2102.09690. There the words'
probabilities are divided by those after an input without content; here the input is the candidate, so it is done for
each history apart.

The rows of the output layer that belong to the words are kept as they came and never train; where the model ties them
to its embedding, training the embedding does not move them.

Relations: ``prompt_encoder`` reads the same texts with a model that sees both sides; ``hf_sequence`` gives such a
model item vectors in place of words; ``heads/label_words`` turns what it says into scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from rec_lightning.backbones.label_words import word_ids
from rec_lightning.backbones.prompt_chunks import chunks
from rec_lightning.backbones.prompt_prefix import Reading, common, groups, keeps, last_states
from rec_lightning.backbones.prompt_reader import PromptReader
from rec_lightning.backbones.prompt_texts import Ints
from rec_lightning.backbones.prompts import Prompts
from rec_lightning.contracts import Batch, Catalog, Kind, TextAugmentation
from rec_lightning.few_bits import Bits
from rec_lightning.identity import identity
from rec_lightning.language_models import locate

# B rows, C candidates, W words, H width of the model, n prompts of a chunk, T tokens

_WORTH = 4  # tokens that all prompts begin with; fewer cost as much to keep as to read again


class MakesPrompts(Protocol):
    """Makes the prompts of a catalogue for a model."""

    def __call__(
        self,
        catalog: Catalog,
        tokenizer: PreTrainedTokenizerBase,
        words: Sequence[str],
        longest: int | None,
        blank: Sequence[str] = (),
    ) -> Prompts: ...


class PromptLM(PromptReader):
    """Prompts, the model, the logits of the words at each prompt's last token.

    Args:
        catalog: the items and users that the prompts tell of.
        prompt: makes the prompts.
        model: a folder, a GGUF file or a name on the hub.
        words: what follows a prompt, in the order of the labels: for a like the word of 0 and that of 1.
        dropout: of all its dropout layers, in [0, 1).
        chunk_tokens: tokens read at once; null for what suits the device.
        quantize: keeps its linear layers in 4 bits (``nf4``) or 8 (``int8``); null for full weights.
        share: whether, without gradients, a history is read once for all its candidates, and the words that every
            prompt begins with once for all; changes no score.
        blank: texts without content for the candidate's place, whose answers are divided out (see above); () for none.

    Raises:
        ValueError: a value out of range, words that are no single tokens, a template that does not fit, a model that
            is not causal or whose logits are more than a product of states and rows.
        FileNotFoundError: the model cannot be had.
    """

    kinds: tuple[Kind, ...] = ("binary", "classes")
    rows: Tensor

    def __init__(
        self,
        catalog: Catalog,
        prompt: MakesPrompts,
        model: str,
        words: Sequence[str],
        dropout: float = 0.0,
        chunk_tokens: int | None = None,
        quantize: Bits | None = None,
        share: bool = True,
        blank: Sequence[str] = (),
    ) -> None:
        super().__init__(dropout, chunk_tokens)
        folder = locate(model, "backbone.model")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        wanted = word_ids(words, tokenizer, model)
        whole = _loaded(folder, model)
        longest = getattr(whole.config, "max_position_embeddings", None)
        self.prompts = prompt(catalog=catalog, tokenizer=tokenizer, words=list(words), longest=longest, blank=blank)
        self.base = identity(model, whole, tokenizer) or None
        self.register_buffer("rows", _rows(whole, wanted, model), persistent=False)  # (W, H)
        trunk: PreTrainedModel = whole.base_model  # type: ignore[assignment]
        self.hold(trunk, quantize)
        self.outputs, self.share, self.blanks = len(wanted), share, len(blank)

    def augment(self, augmentation: TextAugmentation, catalog: Catalog) -> None:
        """From now on items have changed texts in training.

        Raises:
            ValueError: nothing trains here, or none of the texts can change.
        """
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise ValueError(
                f"augmentation={type(augmentation).__name__} has no effect on a language model that stays as it is, "
                "since there is no training. Set augmentation=none, or tuning=lora or another method that trains it."
            )
        super().augment(augmentation, catalog)

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """The logits of the words for each candidate: (B, C, W). Item vectors are not read."""
        assert batch.candidate is not None
        rows, asked = batch.candidate.shape
        first = self.prompts.size + 1  # of the texts without content
        empty = torch.arange(first, first + self.blanks, device=batch.candidate.device).expand(rows, -1)
        whole = replace(batch, candidate=torch.cat([batch.candidate, empty], 1))
        made = self.prompts(whole, self.training)
        shared = np.repeat(made.shared, asked + self.blanks).tolist()
        out: Tensor = (self._last(made.ids, shared, self._reading(whole)) @ self.rows.T).unflatten(
            0, (rows, asked + self.blanks)
        )
        if not self.blanks:
            return out
        said = out.log_softmax(-1)  # (B, C + blanks, W)
        return said[:, :asked] - said[:, asked:].exp().mean(1, keepdim=True).log()

    def _reading(self, batch: Batch) -> Reading:
        # what the model is given for the tokens of this batch
        return lambda ids: {"input_ids": ids}

    def _last(self, prompts: Sequence[Ints], shared: Sequence[int], read: Reading) -> Tensor:
        # the state of each prompt's last token: (n, H)
        alone, found = list[int](), list[tuple[Tensor, Tensor]]()
        for places in groups(prompts, shared):
            several = self.share and len(places) > 1 and shared[places[0]] > 0 and keeps(self.model)
            group = [prompts[place] for place in places] if several else []
            begin = shared[places[0]]
            states = last_states(self.model, group, begin, self.chunk_tokens, read) if several else None
            if states is None:
                alone += places
            else:
                found.append((torch.tensor(places, device=states.device), states))
        rest = [prompts[place] for place in alone]
        begin = common(rest) if self.share and len(rest) > 1 and keeps(self.model) else 0
        states = last_states(self.model, rest, begin, self.chunk_tokens, read) if begin >= _WORTH else None
        if states is not None:
            found.append((torch.tensor(alone, device=states.device), states))
            rest = []
        for at, ids, length in chunks(rest, self.rows.device, self.chunk_tokens):
            states = self.model(**read(ids)).last_hidden_state  # (n, T, H)
            states = states[torch.arange(len(ids), device=ids.device), length - 1]
            found.append((torch.tensor(alone, device=ids.device)[at], states))
        where, gathered = (torch.cat(parts) for parts in zip(*found, strict=True))
        return gathered[torch.argsort(where)]


def _loaded(folder: str, name: str) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(folder)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(
            f"backbone.model must be a causal language model, and {name} ({config.model_type}) is none. Set "
            "backbone.model, or backbone=prompt_encoder."
        )
    config.use_cache = False
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    if torch.get_default_device().type == "meta":
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-any-return]
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, output_loading_info=True
    )
    whole, report = loaded
    if report["missing_keys"]:
        raise ValueError(
            f"backbone.model must come with its output layer, and {name} lacks {min(report['missing_keys'])}. "
            "Set backbone.model to a model for causal language modelling."
        )
    return whole  # type: ignore[no-any-return]


def _rows(whole: PreTrainedModel, words: list[int], name: str) -> Tensor:
    """The words' rows of the output layer, after they were tried: (W, H)."""
    layer: Any = whole.get_output_embeddings()
    rows: Tensor = layer.weight.detach()[words].clone()
    if rows.is_meta:
        return rows
    probe = torch.tensor([words[:2]])
    with torch.no_grad():
        own, first = (whole.base_model(input_ids=ids).last_hidden_state @ rows.T for ids in (probe, probe[:, :1]))
        said = whole(input_ids=probe).logits[..., words]
    near = 1e-3 * float(said.abs().max())
    if not torch.allclose(own[:, :1], first, rtol=1e-3, atol=near):
        raise ValueError(f"backbone.model must see no later token, and {name} does. Set backbone=prompt_encoder.")
    if not torch.allclose(own, said, rtol=1e-3, atol=near):
        raise ValueError(
            f"backbone.model must score a word by the product of its row and the state, and {name} does more. Set "
            "backbone.model to another one."
        )
    return rows

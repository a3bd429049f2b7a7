"""New tokens: words a tokenizer does not know get rows of their own, which train while the table stays as it is.

The rows lie outside the trunk, so they train under every fine-tuning method, and a lean checkpoint holds them alone.
Own code: ``peft`` has trainable tokens, but inside one of its methods, and copies the whole table in each forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import AddedToken
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

# n tokens are new, H width of the encoder


def extend(
    tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel, words: Sequence[str], texts: Sequence[str]
) -> nn.Parameter:
    """Teaches both the words; each starts as the mean of the pieces it was read as before.

    Args:
        tokenizer: learns the words.
        encoder: its embedding reads their rows.
        words: as they stand in the texts.
        texts: of all items; none before data are read.

    Returns:
        (n, H), to be registered by whoever trains it.

    Raises:
        ValueError: a word is known, empty or given twice, or in no text.
    """
    vocabulary = tokenizer.get_vocab()
    for place, word in enumerate(words):
        if not word.strip() or word in vocabulary or word in words[:place]:
            raise ValueError(
                f"items.new_tokens must be words the tokenizer does not know, each once, got {word!r}. "
                "Set items.new_tokens."
            )
        if texts and not any(word in text for text in texts):
            raise ValueError(
                f"items.new_tokens holds {word!r}, which is in no item's text, so it would learn nothing. "
                "Set items.template or items.new_tokens."
            )
    table = encoder.get_input_embeddings()
    pieces = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    with torch.no_grad():
        rows = torch.stack([table(torch.tensor(ids or [tokenizer.pad_token_id])).mean(0) for ids in pieces])
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    ids = [int(tokenizer.convert_tokens_to_ids(word)) for word in words]  # type: ignore[arg-type]  # one of one
    assert ids == list(range(ids[0], ids[0] + len(words)))
    parameter = nn.Parameter(rows)
    encoder.set_input_embeddings(Extended(table, parameter, ids[0]))
    return parameter


class Extended(nn.Module):
    """An embedding, and rows that somebody else owns for the ids from ``first`` on."""

    def __init__(self, table: nn.Module, rows: nn.Parameter, first: int) -> None:
        super().__init__()
        self.table, self.first = table, first
        self._rows = (rows,)  # in a tuple, so that it is not registered here

    @property
    def weight(self) -> Tensor:
        """The table's; some libraries ask an embedding for its device by it."""
        return self.table.get_parameter("weight")

    def forward(self, ids: Tensor) -> Tensor:
        """(...) -> (..., H)."""
        new = ids >= self.first
        known: Tensor = self.table(ids.masked_fill(new, 0))
        own = F.embedding((ids - self.first).clamp(min=0), self._rows[0]).to(known.dtype)
        return torch.where(new.unsqueeze(-1), own, known)

"""Token ids of texts that prompts are put together from: each item's once, of the words between them each text's once.

An item in the middle of a line begins with a space, which many tokenizers make a part of the first word, so every item
has tokens for both cases.

Relations: ``prompts`` says which pieces follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

Ints = NDArray[np.int64]
_KEPT = 4096  # texts between items


class Texts:
    """Pieces of prompts as tokens.

    Args:
        tokenizer: of the model.
        items: texts of the items 1, 2, ...
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, items: Sequence[str]) -> None:
        self.tokenizer, self.items = tokenizer, items
        self.head, self.tail = _special(tokenizer)
        self._between: dict[str, Ints] = {}

    def item(self, index: int, spaced: bool) -> Ints:
        """The tokens of an item, counted from 1, after a space or not."""
        return (self._spaced if spaced else self._plain)[index - 1]

    def between(self, text: str) -> Ints:
        """The tokens of what stands between items."""
        found = self._between.get(text)
        if found is None:
            if len(self._between) >= _KEPT:
                self._between.clear()
            found = self._between[text] = self._ids([text])[0]
        return found

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest item."""
        return max(map(len, self._plain + self._spaced), default=0)

    @cached_property
    def _plain(self) -> list[Ints]:
        return self._ids(self.items)

    @cached_property
    def _spaced(self) -> list[Ints]:
        return self._ids([f" {text}" for text in self.items])

    def _ids(self, texts: Sequence[str]) -> list[Ints]:
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return [np.asarray(ids, np.int64) for ids in found]


class Changed(Texts):
    """The same with items' texts that are drawn anew, once each.

    Args:
        texts: as they are.
        change: item index and its text -> a changed text.
        size: number of items; texts behind them stay.
    """

    def __init__(self, texts: Texts, change: Callable[[int, str], str], size: int) -> None:
        self.__dict__ |= texts.__dict__  # tokens of what stands between items are kept for all
        self._change, self._size = change, size
        self._drawn: dict[int, str] = {}

    def item(self, index: int, spaced: bool) -> Ints:
        """The tokens of an item, counted from 1, after a space or not."""
        if index > self._size:
            return super().item(index, spaced)
        if index not in self._drawn:
            self._drawn[index] = self._change(index, self.items[index - 1])
        text = self._drawn[index]
        return self._ids([f" {text}" if spaced else text])[0]


def _special(tokenizer: PreTrainedTokenizerBase) -> tuple[Ints, Ints]:
    # what the tokenizer puts around a text
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    before = next((at for at in range(len(full)) if full[at : at + len(bare)] == bare), 0)
    return np.asarray(full[:before], np.int64), np.asarray(full[before + len(bare) :], np.int64)

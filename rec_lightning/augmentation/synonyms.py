"""Synonyms: words of a text give way to others that a table of yours says mean the same.

Synonym replacement of J. Wei and K. Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", EMNLP 2019, https://arxiv.org/abs/1901.11196. What differs: the words come from a file, every
word of it is replaced with the same probability, and case and the marks around a word stay.

Relations: ``word_dropout`` leaves words out; ``paraphrases`` changes whole texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rec_lightning.augmentation.word_table import check_share, drawn, read_pairs
from rec_lightning.contracts import Catalog

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class Synonyms:
    """Replaces words.

    Args:
        path: a ``.tsv`` or ``.parquet`` file with the columns ``word`` and ``synonym``, a row a pair.
        share: of the words of the table, in (0, 1].

    Raises:
        ValueError: the share is out of range, or the file holds nothing.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str, share: float = 0.1) -> None:
        self.path, self.share = path, check_share(share)
        pairs = read_pairs(path, "word", "synonym")
        self.others = {word.lower(): others for word, others in pairs.items()}

    def prepare(self, catalog: Catalog, texts: Sequence[str]) -> None:
        """Looks whether the table knows any word.

        Raises:
            ValueError: it knows none.
        """
        known = (word.lower() in self.others for text in texts for word in _WORD.findall(text))
        if texts and not any(known):
            raise ValueError(
                f"augmentation=synonyms has no effect, since none of {len(self.others)} words of {self.path} is in "
                f"{len(texts)} texts. Set augmentation.path, or augmentation=none."
            )

    def __call__(self, item: int, text: str) -> str:
        """Item index and its text -> the text with other words."""
        return _WORD.sub(self._other, text)

    def _other(self, found: re.Match[str]) -> str:
        word = found[0]
        other = drawn(self.others.get(word.lower()), self.share)
        if other is None:
            return word
        return other[:1].upper() + other[1:] if word[0].isupper() else other

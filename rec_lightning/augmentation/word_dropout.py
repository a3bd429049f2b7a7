"""Word dropout: words of a text are left out at random, so that no single one decides.

As in M. Iyyer, V. Manjunatha, J. Boyd-Graber and H. Daumé III, "Deep Unordered Composition Rivals Syntactic Methods
for Text Classification", ACL 2015, https://aclanthology.org/P15-1162/. What differs: words lie between spaces, and one
of them always stays.

Relations: ``synonyms`` puts another word in a word's place, ``paraphrases`` another text in the text's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rec_lightning.contracts import Catalog


class WordDropout:
    """Leaves words out.

    Args:
        share: of the words, in (0, 1).

    Raises:
        ValueError: it is out of range.
    """

    def __init__(self, share: float = 0.1) -> None:
        if not 0 < share < 1:
            raise ValueError(
                f"augmentation.share must be between 0 and 1, both excluded, got {share}. Set augmentation.share."
            )
        self.share = share

    def prepare(self, catalog: Catalog, texts: Sequence[str]) -> None:
        """Looks whether it can do anything.

        Raises:
            ValueError: no text has two words.
        """
        if texts and not any(len(text.split()) > 1 for text in texts):
            raise ValueError(
                f"augmentation=word_dropout has no effect, since none of {len(texts)} texts has two words. Set "
                "augmentation=none, or a template of more columns."
            )

    def __call__(self, item: int, text: str) -> str:
        """Item index and its text -> the text with fewer words."""
        words = text.split()
        stays = torch.rand(len(words), device="cpu") >= self.share
        if not words or stays.any():
            return " ".join(word for word, stay in zip(words, stays.tolist(), strict=True) if stay)
        return words[int(torch.randint(len(words), (), device="cpu"))]

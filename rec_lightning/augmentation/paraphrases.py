"""Paraphrases: an item's text gives way to another one that says the same, from a file of yours.

The hook for back-translation (R. Sennrich, B. Haddow and A. Birch, "Improving Neural Machine Translation Models with
Monolingual Data", ACL 2016, https://arxiv.org/abs/1511.06709) and for anything else that rewrites texts. What differs:
nothing is translated here; whoever has a model writes its texts into the file, as many an item as wanted.

Relations: ``word_dropout`` and ``synonyms`` change words.
"""

from __future__ import annotations

from collections.abc import Sequence

from rec_lightning.augmentation.word_table import check_share, drawn, read_pairs
from rec_lightning.contracts import ITEM, Catalog


class Paraphrases:
    """Replaces texts.

    Args:
        path: a ``.tsv`` or ``.parquet`` file with the columns ``item``, the id in the source, and ``text``, a row a
            paraphrase of what the template makes of the item.
        share: of the texts that have one, in (0, 1].

    Raises:
        ValueError: the share is out of range, or the file holds nothing.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: str, share: float = 0.5) -> None:
        self.path, self.share = path, check_share(share)
        self.by_id = read_pairs(path, ITEM, "text")
        self.others: dict[int, list[str]] = {}

    def prepare(self, catalog: Catalog, texts: Sequence[str]) -> None:
        """Finds the items of the file in the catalogue.

        Raises:
            ValueError: none of them is there.
        """
        names = catalog.items[ITEM].cast(str).to_list()
        self.others = {row: self.by_id[name] for row, name in enumerate(names, 1) if name in self.by_id}
        if names and not self.others:
            raise ValueError(
                f"augmentation=paraphrases has no effect, since none of {len(self.by_id)} items of {self.path} is "
                f"among the {len(names)} of the catalogue. Set augmentation.path, or augmentation=none."
            )

    def __call__(self, item: int, text: str) -> str:
        """Item index and its text -> one of its paraphrases, or itself."""
        other = drawn(self.others.get(item), self.share)
        return text if other is None else other

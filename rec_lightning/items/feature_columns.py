"""One column of a table as vectors: words and lists of words, or numbers.

What is learnt from the rows at the start (vocabulary, mean, edges of buckets) stays; ``encode`` reads
other rows with it.

Relations: ``feature_table`` sums several columns.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

# R rows, M rows asked for, V words, W words of all rows, D width

Transform = Literal["standardise", "log1p", "buckets"]
MISSING, UNKNOWN = 0, 1  # the first rows of every vocabulary's embedding
STD = 0.02  # of initial vectors, as of ids


class WordColumn(nn.Module):
    """The mean of the vectors of a row's words; a row without any has the vector of what is missing.

    Args:
        rows: lists of texts, R of them; null for a row that is missing.
        width: D.
        min_count: words in fewer rows share the vector that unknown words have.
    """

    codes: Tensor
    offsets: Tensor

    def __init__(self, rows: pl.Series, width: int, min_count: int) -> None:
        super().__init__()
        words = rows.explode().drop_nulls()
        counts = words.value_counts(name="rows") if len(words) else pl.DataFrame({"word": [], "rows": []})
        self.known: list[str] = sorted(counts.filter(pl.col("rows") >= min_count).to_series(0).to_list())
        self.embedding = nn.Embedding(len(self.known) + 2, width)
        nn.init.normal_(self.embedding.weight, std=STD)
        self.register_buffer("codes", torch.empty(0, dtype=torch.long), persistent=False)
        self.register_buffer("offsets", torch.zeros(1, dtype=torch.long), persistent=False)
        self.encode(rows)

    def encode(self, rows: pl.Series) -> None:
        """Describes other rows in the words known from the start."""
        place = {word: number for number, word in enumerate(self.known, UNKNOWN + 1)}
        lists = [
            [place.get(word, UNKNOWN) for word in row or () if word is not None] or [MISSING] for row in rows.to_list()
        ]
        ends = np.cumsum([0, *map(len, lists)])
        self.codes = torch.tensor([c for row in lists for c in row], dtype=torch.long)  # (W,)
        self.offsets = torch.tensor(ends, dtype=torch.long)  # (R + 1,)

    def forward(self, rows: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        first, count = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        start = count.cumsum(0) - count  # of each row among the words asked for
        word = torch.arange(int(count.sum()), device=rows.device) + torch.repeat_interleave(first - start, count)
        return nn.functional.embedding_bag(self.codes[word], self.embedding.weight, start, mode="mean")


class NumberColumn(nn.Module):
    """A number times a learnt vector; a missing one counts as the mean and has a vector of its own.

    Args:
        rows: numbers, R of them; null for one that is missing.
        width: D.
    """

    values: Tensor
    missing: Tensor

    def __init__(self, rows: pl.Series, width: int) -> None:
        super().__init__()
        known = rows.drop_nulls().to_numpy()
        self.mean = float(known.mean()) if len(known) else 0.0
        self.spread = float(known.std()) or 1.0 if len(known) else 1.0  # of equal values: anything but 0
        self.weight = nn.Parameter(torch.empty(2, width))  # of the number, of its absence
        nn.init.normal_(self.weight, std=STD)
        self.register_buffer("values", torch.empty(0, 2), persistent=False)
        self.encode(rows)

    @property
    def known(self) -> list[float]:
        """Mean and spread."""
        return [self.mean, self.spread]

    def encode(self, rows: pl.Series) -> None:
        """Describes other rows by the mean and spread known from the start."""
        scaled = ((rows - self.mean) / self.spread).fill_null(0.0).cast(pl.Float32)
        flags = rows.is_null().cast(pl.Float32)
        self.values = torch.from_numpy(np.stack([scaled.to_numpy(), flags.to_numpy()], 1))  # (R, 2)

    def forward(self, rows: Tensor) -> Tensor:
        """(M,) -> (M, D)."""
        return self.values[rows] @ self.weight

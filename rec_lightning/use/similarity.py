"""The nearest items of items, by the cosine between the vectors that a trained model has of them.

Relations: ``similar`` is the front door; ``model`` loads the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from rec_lightning.contracts import ITEM
from rec_lightning.ranking.best import Best
from rec_lightning.use.candidates import candidates
from rec_lightning.use.lists_file import ListsFile, check_output, title_column
from rec_lightning.use.model import Model
from rec_lightning.use.named import find_item
from rec_lightning.use.progress import Bar

_PIECE = 4096  # items asked for at once


class Similarity:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``similar`` configuration.

    Raises:
        ValueError: a value out of range, or a run without item vectors.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.model = Model(config.run)
        if not self.model.run.trained:
            name = self.model.run.config.baseline["_target_"].rpartition(".")[2]
            raise ValueError(f"run must be one of train, and {name} has no item vectors. Set run.")
        if config.item is None:
            raise ValueError("item must be given: an id, a title, @FILE with one a line, or all. Set item.")
        if type(config.k) is not int or config.k < 1:
            raise ValueError(f"k must be at least 1, got {config.k}. Set k.")
        if config.output is not None:
            check_output(config.output, config.overwrite)
        self.filters = dict(instantiate(config.filters))

    def read(self) -> None:
        """Loads the model and finds the items that are asked for.

        Raises:
            ValueError: an item is not there, or there are fewer candidates than k.
        """
        config, model = self.config, self.model
        model.read()
        self.items = self._asked(str(config.item))
        chosen = candidates(self.filters, model.catalog)
        if config.k > len(chosen) - 1:
            raise ValueError(f"k must be 1..number of other candidates ({len(chosen) - 1}), got {config.k}. Set k.")
        self.vectors = torch.nn.functional.normalize(model.vectors.float(), dim=1)
        self.best = Best(torch.from_numpy(chosen).to(model.device), model.catalog.size, config.k)
        self.keys = self.vectors[self.best.candidates]

    def _asked(self, name: str) -> NDArray[np.int64]:
        table = self.model.catalog.items
        if name == "all":
            return np.arange(1, table.height + 1)
        lines = Path(name[1:]).expanduser().read_text(encoding="utf8").splitlines() if name[:1] == "@" else [name]
        return np.array([find_item(table, line.strip()) for line in lines if line.strip()], np.int64)

    def lists(self) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
        """Some items at a time, with the items (B, k) nearest to each, itself left out, and their cosines."""
        for first in range(0, len(self.items), _PIECE):
            some = torch.from_numpy(self.items[first : first + _PIECE]).to(self.model.device)
            one = torch.arange(len(some) + 1, device=some.device)  # each leaves out itself
            found, cosine = self.best.of_vectors(self.vectors[some], self.keys, some, one)
            yield some.cpu().numpy(), found.cpu(), cosine.cpu()

    def write(self) -> None:
        """Writes all lists to ``output``."""
        ids = self.model.catalog.items[ITEM]
        with ListsFile(self.config.output, self.model.catalog, "of") as file, Bar("items", len(self.items)) as bar:
            for some, found, cosine in self.lists():
                file.write(ids.gather(some - 1), found, cosine)
                bar.advance(len(some))

    def names(self, items: NDArray[np.int64]) -> list[tuple[str, str]]:
        """Id and title of items; an empty title where the table has none."""
        rows = self.model.catalog.items[items - 1]
        column = title_column(rows)
        titles = rows[column] if column else pl.Series([""] * rows.height)
        return list(zip(rows[ITEM].cast(pl.String), titles.fill_null(""), strict=True))

"""Lists for many users from a complete run, made and written as a stream.

Users come some thousand at a time, candidates are scored in chunks, and lists are written as they are made: what is
held is the model, the data and one piece of the users, never users times items.

Relations: ``recommend`` is the front door; ``model`` scores, ``second_stage`` orders anew, ``histories`` and
``history_file`` say who is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from rec_lightning.contracts import ITEM, Batch, Ranking, Reranker
from rec_lightning.ranking.reranked import rerank
from rec_lightning.runtime.given import listed_ids
from rec_lightning.runtime.manifest import peak_memory_mb
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.use.candidates import candidates
from rec_lightning.use.histories import Histories, known
from rec_lightning.use.history_file import HistoryFile
from rec_lightning.use.ids import Ids
from rec_lightning.use.lists_file import ListsFile, check_output
from rec_lightning.use.model import Model
from rec_lightning.use.new_items import read_new_items
from rec_lightning.use.progress import Bar
from rec_lightning.use.second_stage import second_stage

# B users, C candidates, k items of a list

_CHOICES = {"upto": ("all", "test", "val"), "unknown": ("skip", "refuse"), "among": ("all", "known", "new")}


@dataclass(frozen=True)
class Told:
    """What was done.

    Args:
        users: with a list.
        short: of them with fewer than k items.
        empty: without a known item, so without a list.
        unknown_items: events of a history that were skipped.
        unknown_users: asked for and skipped.
        example: an id that was skipped; empty without any.
        candidates: items that could be recommended.
        seconds: from the first user to the last.
        memory: peak of the process, in MB.
    """

    users: int
    short: int
    empty: int
    unknown_items: int
    unknown_users: int
    example: str
    candidates: int
    seconds: float
    memory: float


class Recommendation:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``recommend`` configuration.

    Raises:
        ValueError: a value out of range, options that exclude each other, or no complete run.
    """

    def __init__(self, config: DictConfig) -> None:
        self.config = config
        self.model = Model(config.run)
        for name in ("k", "batch_size"):
            if type(config[name]) is not int or config[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {config[name]}. Set {name}.")
        for name, words in _CHOICES.items():
            if config[name] not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, got {config[name]}. Set {name}.")
        if config.history is not None and (config.users is not None or config.upto != "all"):
            given = "users" if config.users is not None else "upto"
            raise ValueError(f"{given} names users of the run, and history those of a file, got both. Leave one out.")
        self.new_items: str | None = config.new_items
        if config.among != "all" and self.new_items is None:
            raise ValueError(f"among={config.among} needs new items, got none. Set new_items=FILE, or among=all.")
        self.second = second_stage(config)
        check_output(config.output, config.overwrite)
        self.filters: dict[str, Any] = dict(instantiate(config.filters))
        self.file = None if config.history is None else HistoryFile(str(config.history))

    def read(self) -> None:
        """Reads data, model and filters, and chooses the candidates.

        Raises:
            ValueError: they do not fit, no candidate is left, or an id is refused.
            OSError: data or model cannot be had.
        """
        config, model = self.config, self.model
        model.data.prepare()
        old = model.data.catalog
        new = None if self.new_items is None else read_new_items(self.new_items, old.items)
        model.read(new)
        stays = np.ones(model.catalog.size, bool)
        if config.among != "all":
            stays = (np.arange(model.catalog.size) < old.size) == (config.among == "known")
        chosen = candidates(self.filters, model.catalog, stays)
        if config.k > len(chosen):
            raise ValueError(f"k must be 1..number of candidates ({len(chosen)}), got {config.k}. Set k.")
        self.candidates = len(chosen)
        self.reranker, several = self._reranker(), config.k
        self.known = model.data.sequences
        if self.second is not None:
            self.known = self.second.read(model.data, str(config.run))
            several = self.second.depth(config.depth, config.k, self.candidates)
        elif self.reranker is not None:
            several = self.reranker.candidates
        self.best, self.width = model.best(torch.from_numpy(chosen), several), several
        self.items = Ids(model.catalog.items[ITEM], "item", config.unknown, first=1)
        self.people = Ids(model.data.sequences.users, "user", config.unknown if self.file is None else "skip")
        every = np.arange(len(model.data.sequences.users))
        self.rows = every if config.users is None else self._asked(listed_ids(_plain(config.users)))

    def _reranker(self) -> Reranker | None:
        config, model = self.config, self.model
        if not config.rerank:
            return None
        part = instantiate(config.rerank)
        reranker: Reranker = part(catalog=model.catalog) if isinstance(part, partial) else part
        if not config.k <= reranker.candidates <= self.candidates:
            raise ValueError(
                f"rerank.candidates must be k ({config.k})..number of candidates ({self.candidates}), got "
                f"{reranker.candidates}. Set rerank.candidates."
            )
        if not model.run.trained and getattr(reranker, "needs_vectors", False):
            raise ValueError(
                f"rerank={type(reranker).__name__} compares items by the model's vectors, and a baseline has scores "
                "only. Set rerank.by to a column of the item table."
            )
        return reranker

    def _asked(self, ids: list[str]) -> NDArray[np.int64]:
        rows = self.people(pl.Series(ids, dtype=pl.String))
        rows = rows[rows >= 0]
        if not len(rows):
            raise ValueError(f"users must name users of the run, and none of {len(ids)} is one. Set users.")
        return rows

    def stream(self) -> Told:
        """Makes and writes all lists.

        Raises:
            Refusal: the history is not as it should be.
        """
        config, start = self.config, time.monotonic()
        users = short = 0
        total = len(self.rows) if self.file is None else None
        with ListsFile(config.output, self.model.catalog) as file, Bar("users", total) as bar:
            for piece in self._pieces():
                items, scores = self._lists(piece)
                file.write(piece.users, items, scores)
                users, short = users + len(items), short + int((items[:, -1] == 0).sum())
                bar.advance(len(items))
        return Told(
            users,
            short,
            len(self.rows) - users if self.file is None else self.file.empty,
            self.items.skipped,
            self.people.skipped if self.file is None else 0,
            self.items.example or (self.people.example if self.file is None else ""),
            self.candidates,
            time.monotonic() - start,
            peak_memory_mb(),
        )

    def _pieces(self) -> Iterator[Histories]:
        if self.file is not None:
            return self.file.read(self.items, self.people)
        return known(self.known, self.rows, self.config.upto, self.model.data.inputs)

    def _lists(self, piece: Histories) -> tuple[torch.Tensor, torch.Tensor]:
        # (B, k) in the order of the users
        config, model = self.config, self.model
        if (model.timed or (self.second is not None and self.second.timed)) and piece.timestamp is None:
            raise Refusal(
                "the backbone of the run reads when events happened, and history has no timestamp. Add the column "
                "timestamp (seconds since 1970; in lines of JSON timestamps)."
            )
        width = config.k if self.second is None else self.width
        items = torch.zeros(len(piece.users), width, dtype=torch.long)
        scores = torch.full(items.shape, -torch.inf)
        for places, batch in piece.batches(model.max_length, config.batch_size, model.timed, config.at):
            items[places], scores[places] = self._chosen(batch, *model.lists(batch, self.best, config.exclude_seen))
        if self.second is not None:
            items, scores = self.second.ordered(piece, items, scores, config.at)
        return items[:, : config.k], scores[:, : config.k]

    def _chosen(self, batch: Batch, items: torch.Tensor, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.reranker is None:
            return items, scores
        none = torch.zeros_like(batch.user)  # nothing is known to be right
        keys = self.model.keys.cpu() if self.model.run.trained else None
        found = rerank(Ranking(batch.user, items, scores, none, none), batch, keys, self.reranker, self.config.k)
        return found.items, found.scores


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value

"""Why an item was recommended: which past items and which words moved its score, and whether that can be trusted.

Past items: integrated gradients from a history of average items to the real one. Words: of the recommended item, and of
the past items that moved it most, from padding to the real tokens. Each is checked by deletion: events and words are
taken out for real, and Spearman's correlation between both orders is told.

Relations: ``scorer`` gives the functions, ``attribution`` the numbers, ``explained_page`` the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig

from rec_lightning.contracts import ITEM, Aside, Batch
from rec_lightning.runtime.given import listed_ids
from rec_lightning.use.attribution import Moved, check_captum, of_tokens, of_vectors
from rec_lightning.use.histories import Histories, known
from rec_lightning.use.ids import Ids
from rec_lightning.use.lists_file import title_column
from rec_lightning.use.model import Model
from rec_lightning.use.named import find_item
from rec_lightning.use.progress import Bar
from rec_lightning.use.scorer import Scorer
from rec_lightning.use.words import embedding_of, words_of


@dataclass(frozen=True)
class Parts:
    """What the parts of the history, or of a text, did.

    Args:
        heading: what they are parts of.
        names: of the parts, in their order.
        moved: by integrated gradients and by deletion.
    """

    heading: str
    names: list[str]
    moved: Moved


@dataclass(frozen=True)
class Explained:
    """One explained recommendation.

    Args:
        user: whose.
        item: id and title.
        score: by the model.
        rank: among what the user does not have; 0 for an item that the user has.
        history: its events.
        texts: words of the item, then of past items; none where the model reads no texts.
        note: why there are none; empty where there are.
    """

    user: str
    item: str
    score: float
    rank: int
    history: Parts
    texts: list[Parts]
    note: str = ""


class Explanation:
    """Construction tries everything that can be known wrong without data.

    Args:
        config: resolved ``explain`` configuration.

    Raises:
        ValueError: a value out of range, a baseline, or captum is missing.
    """

    def __init__(self, config: DictConfig) -> None:
        check_captum()
        self.config = config
        self.model = Model(config.run)
        if not self.model.run.trained:
            name = self.model.run.config.baseline["_target_"].rpartition(".")[2]
            raise ValueError(f"run must be one of train, and {name} has no gradients. Set run.")
        if (config.user is None) == (config.history is None):
            given = "neither" if config.user is None else "both"
            raise ValueError(f"either user or history must be given, got {given}. Set user=ID, or history=a,b,c.")
        for name, least in (("steps", 2), ("batch_size", 1), ("texts", 0)):
            if type(config[name]) is not int or config[name] < least:
                raise ValueError(f"{name} must be at least {least}, got {config[name]}. Set {name}.")

    def read(self) -> None:
        """Loads the model and finds user and item.

        Raises:
            ValueError: an id is not there, or there is too little to explain from.
        """
        self.model.read()
        people = self._history()
        _, batch = next(people.batches(self.model.max_length, 1, self.model.timed))
        if int(batch.length[0]) < 2:
            raise ValueError("an explanation needs at least two known events, got 1. Choose another user or history.")
        self.batch: Batch = batch.to(self.model.device)
        self.user = str(people.users[0])
        self.item = self._item()

    def _history(self) -> Histories:
        data, config = self.model.data, self.config
        if config.user is not None:
            row = Ids(data.sequences.users, "user", "refuse")(pl.Series([str(config.user)]))
            found = next(known(data.sequences, row, "all"))
            if not len(found.users):
                raise ValueError(f"user {config.user} must have events, got none. Set user.")
            return found
        if self.model.timed:
            raise ValueError(
                "the backbone of the run reads when events happened, and history tells no times. Set user."
            )
        names = listed_ids(config.history)
        items = np.array([find_item(self.model.catalog.items, name) for name in names], np.int64)
        offsets = np.array([0, len(items)], np.int64)
        return Histories(pl.Series(["this history"]), np.array([-1]), items, offsets)

    def _item(self) -> int:
        if self.config.item is not None:
            return find_item(self.model.catalog.items, str(self.config.item))
        scores = self._scores()
        return int(scores.argmax())

    def _scores(self) -> torch.Tensor:
        # (N + 1,) with what the user has left out
        task, model = self.model.task, self.model
        with model.still():
            queries: torch.Tensor = task.head.queries(task.states(self.batch, model.vectors)).float()
            scores = (queries @ model.keys.T)[0]
        scores[self.batch.seen] = -torch.inf
        scores[0] = -torch.inf
        return scores

    def explain(self) -> Explained:
        """Weighs the past items and the words."""
        scorer, scores = Scorer(self.model, self.batch, self.item), self._scores()
        with self.model.still():
            score = float(scorer.of_history(scorer.vectors[None])[0])
        free = scores[self.item] > -torch.inf
        rank = int((scores > scores[self.item]).sum()) + 1 if free else 0
        # one kind of layer has gradients on a device in training mode only, unless its own way is taken
        with torch.backends.cudnn.flags(enabled=False):
            past = self._past(scorer)
            reader, note = self._reader()
            texts = [] if reader is None else self._texts(scorer, reader, past.moved)
        return Explained(self.user, self._name(self.item), score, rank, past, texts, note)

    def _reader(self) -> tuple[Any, str]:
        # what reads texts, or why nothing does
        items: Any = self.model.task.items
        reader = getattr(items, "reader", items)
        if not hasattr(reader, "read"):
            return None, f"Words do not count: {type(items).__name__} reads no texts."
        if isinstance(reader.encoder, Aside):
            return None, "Words cannot be weighed: the network beside the encoder reads its states from a cache."
        return reader, ""

    def _past(self, scorer: Scorer) -> Parts:
        length, rows = len(scorer.history), self.config.batch_size
        average = self.model.vectors[1:].mean(0).expand(length, -1)
        moved = of_vectors(scorer.of_history, scorer.vectors, average, self.config.steps, rows)
        with self.model.still():
            ends = scorer.of_history(torch.stack([average, scorer.vectors]))
            dropped = ends[1] - scorer.without_each()
        found = Moved(_plain(moved), _plain(dropped), float(ends[1] - ends[0]))
        return Parts("past items", [self._name(int(item)) for item in scorer.history], found)

    def _texts(self, scorer: Scorer, reader: Any, past: Moved) -> list[Parts]:
        most = np.argsort(-np.abs(past.moved), kind="stable")[: self.config.texts]
        texts = list[Parts]()
        with Bar("texts", 1 + len(most)) as bar:
            for slot in (None, *map(int, most)):
                found = self._words(scorer, reader, slot)
                texts += [found] if found is not None else []
                bar.advance(1)
        return texts

    def _words(self, scorer: Scorer, reader: Any, slot: int | None) -> Parts | None:
        item = self.item if slot is None else int(scorer.history[slot])
        text = words_of(reader, self.model.catalog, item, self.model.device)
        if len(text.words) < 2:
            return None
        score, steps = partial(scorer.of_text, slot), self.config.steps
        inside = embedding_of(reader.encoder)
        moved = of_tokens(score, inside, text.ids, text.empty, text.mask, steps, self.config.batch_size)
        with self.model.still():
            full, empty = (score(ids, text.mask) for ids in (text.ids, text.empty))
            dropped = full - score(*text.without_each())
        by_word = [float(moved[places].sum()) for places in text.tokens]
        found = Moved(np.array(by_word), _plain(dropped), float(full - empty))
        heading = "words of the item" if slot is None else f"words of the past item {self._name(item)}"
        return Parts(heading, text.words, found)

    def _name(self, item: int) -> str:
        row = self.model.catalog.items[item - 1 : item]
        column = title_column(row)
        title = row[column][0] if column else None
        return f"{row[ITEM][0]} {title}" if title else str(row[ITEM][0])


def _plain(values: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    return values.detach().double().cpu().numpy()

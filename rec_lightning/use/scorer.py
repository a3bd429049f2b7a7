"""The score of one item for one history as a function of what is inside: item vectors, or the tokens of a text.

Relations: ``attribution`` differentiates these functions; ``model`` has the parts.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rec_lightning.contracts import Batch
from rec_lightning.use.model import Model

# n rows, L length, D width, T tokens


class Scorer:
    """Scores for one history.

    Args:
        model: of a run of ``train``.
        batch: of one row.
        item: index of the item that is scored.
    """

    def __init__(self, model: Model, batch: Batch, item: int) -> None:
        self.model, self.batch, self.item = model, batch, item
        self.history = batch.history[0]  # (L,)
        self.vectors = model.vectors[self.history]  # (L, D)

    def of_history(self, vectors: Tensor, key: Tensor | None = None) -> Tensor:
        """(n, L, D) item vectors -> (n,); ``key`` (D,) or (n, D) takes the place of the item's own."""
        n, length, width = vectors.shape
        table = torch.cat([vectors.new_zeros(1, width), vectors.reshape(-1, width)])
        place = torch.arange(1, n * length + 1, device=vectors.device).view(n, length)
        states = self.model.task.states(self._rows(n, place), table)
        queries = self.model.task.head.queries(states)
        own = self.model.keys[self.item] if key is None else key
        found: Tensor = (queries * own).sum(-1)
        return found

    def of_text(self, slot: int | None, ids: Tensor, mask: Tensor) -> Tensor:
        """Tokens (n, T) in the place of the item's text, or of that of the item at ``slot`` in the history -> (n,)."""
        item = self.item if slot is None else int(self.history[slot])
        items = torch.full((len(ids),), item, device=ids.device)
        own = self.model.task.items.read(items, ids, mask)  # (n, D)
        several = self.vectors.expand(len(ids), -1, -1)
        if slot is None:
            return self.of_history(several, self.model.task.head.keys(own).float())
        here = torch.arange(len(self.history), device=ids.device) == slot
        return self.of_history(torch.where(here[None, :, None], own.unsqueeze(1).to(several.dtype), several))

    def without_each(self) -> Tensor:
        """(L,) the score when one event after another is taken out of the history."""
        length = len(self.history)
        keep = torch.arange(length).expand(length, -1)[~torch.eye(length, dtype=torch.bool)].view(length, length - 1)
        keep = keep.to(self.history.device)
        batch = self._rows(length, self.history[keep])
        batch = replace(batch, length=batch.length - 1)
        if batch.time is not None:
            batch = replace(batch, time=batch.time[0][keep])
        states = self.model.task.states(batch, self.model.vectors)
        found: Tensor = self.model.task.head.queries(states) @ self.model.keys[self.item]
        return found

    def _rows(self, n: int, history: Tensor) -> Batch:
        one = self.batch
        time = {name: getattr(one, name) for name in ("time", "target_time")}
        spread = {name: None if x is None else x.expand(n, *x.shape[1:]) for name, x in time.items()}
        batch = Batch(one.user.expand(n), history, one.length.expand(n), one.target.expand(n))
        batch.time, batch.target_time = spread["time"], spread["target_time"]
        return batch

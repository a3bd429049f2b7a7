"""Users and what they did, some at a time, as batches that a model can be asked with.

Relations: ``history_file`` reads them from a file; here they come from the data of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from rec_lightning.contracts import Batch, Sequences
from rec_lightning.data.batches import EvalBatches

# U users, E events

Upto = Literal["all", "test", "val"]
_LAST = {"all": 2, "test": 1, "val": 0}  # newest role that is read


@dataclass(frozen=True)
class Histories:
    """Some users; each has at least one event.

    Args:
        users: (U,) ids.
        rows: (U,) rows of ``Catalog.users``; -1 for users that the run did not know.
        items: (E,) item indices, users together and each in time order.
        offsets: (U + 1,) which events are whose.
        timestamp: (E,) seconds since 1970; None where it is not known.
        label: (E,) float32 for a model that scores, NaN where there is none; None for one that ranks.
    """

    users: pl.Series
    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    timestamp: NDArray[np.int64] | None = None
    label: NDArray[np.float32] | None = None

    def batches(
        self, max_length: int, batch_size: int, timed: bool = False, at: int | None = None
    ) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        """Batches of histories of about one length, with the places (B,) of their users here.

        Args:
            max_length: newest events in ``history``; ``seen`` holds all.
            batch_size: users at once.
            timed: whether times are carried.
            at: second of the question; None for each user's last event.
        """
        length = np.diff(self.offsets)
        order = np.argsort(length, kind="stable")
        ends = np.cumsum(length[order] + 1)  # a place behind each history stands for the target, which nobody knows
        begins = ends - length[order] - 1
        source = np.arange(ends[-1]) + np.repeat(self.offsets[:-1][order] - begins, length[order] + 1)
        source[ends - 1] -= 1
        items, role = self.items[source], np.zeros(len(source), np.int8)
        items[ends - 1], role[ends - 1] = 0, 2
        time = None
        if timed:
            assert self.timestamp is not None
            time = self.timestamp[source]
            if at is not None:
                time[ends - 1] = at
        label = None if self.label is None else self.label[source]
        asked = Sequences(items, np.concatenate([[0], ends]), role, self.users, time, label)
        for batch in EvalBatches(asked, 2, max_length, batch_size):
            places = order[batch.user.numpy()]
            yield places, replace(batch, user=torch.from_numpy(self.rows[places]))


def known(
    sequences: Sequences, rows: NDArray[np.int64], upto: Upto, inputs: str = "past", users: int = 8192
) -> Iterator[Histories]:
    """Users of the run's own data, ``users`` at a time; those without an event in time are left out.

    Args:
        sequences: all events.
        rows: (U,) which users.
        upto: ``all`` events, those before any ``test`` target, or before any ``val`` target too.
        inputs: as the data's; with ``train`` a measured model saw training events only.
        users: of one piece.
    """
    last = 0 if inputs == "train" and upto != "all" else _LAST[upto]
    for first in range(0, len(rows), users):
        some = rows[first : first + users]
        begin, end = sequences.offsets[some], sequences.offsets[some + 1]
        length = end - begin
        event = np.arange(length.sum()) + np.repeat(begin - (np.cumsum(length) - length), length)
        role = np.asarray(sequences.role[event])
        stays = (role <= last) | (role == 3)
        owner = np.repeat(np.arange(len(some)), length)[stays]
        count = np.bincount(owner, minlength=len(some))
        some, event = some[count > 0], event[stays]
        offsets = np.concatenate([[0], np.cumsum(count[count > 0])]).astype(np.int64)
        time = None if sequences.timestamp is None else np.asarray(sequences.timestamp[event])
        label = None if sequences.label is None else np.asarray(sequences.label[event])
        yield Histories(sequences.users.gather(some), some, np.asarray(sequences.items[event]), offsets, time, label)

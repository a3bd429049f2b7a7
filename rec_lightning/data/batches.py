"""Batches as one gather from flat arrays: no per-sample Python, no copies of histories.

Training cuts each user's events into windows so that every target is trained exactly once an epoch: peers either
train on the last L events only (and lose 60 % of the targets of ML-100K) or repeat a history once per prefix.
Where the cuts lie moves from epoch to epoch, so that no target always stands at a window's poor beginning.

Batches carry times where the sequences have them; ``RecData`` hides them from whoever does not ask. Those of an
evaluation carry labels and events where the sequences have labels.

Everything is a function of (seed, epoch, position): a killed run goes on in the middle of an epoch exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rec_lightning.contracts import Batch, Sequences
from rec_lightning.data.inputs import Inputs, newest
from rec_lightning.data.shares import Share
from rec_lightning.data.stream import Stream
from rec_lightning.data.windows import Ints, Windows, by_size, count_windows, cut, groups


class TrainBatches(Stream):
    """Shuffled windows over the training events.

    Args:
        sequences: all events; only those with role 0 are read.
        max_length: window length L.
        batch_size: windows a batch, of all processes together.
        seed: of the order and of the cuts.
        context: events before a window's first target that are given as input but train nothing, 0..L - 1.
        groups: how many groups of rows of about one length a batch is told to have, at most.
        rank: this process, 0..world - 1. Processes get disjoint windows.
        world: number of processes. Where the last batch has not a window for each, it takes some of the one before.

    Raises:
        ValueError: a batch has not a window for each process.
    """

    def __init__(
        self,
        sequences: Sequences,
        max_length: int,
        batch_size: int,
        seed: int,
        context: int = 0,
        groups: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size < world:
            raise ValueError(
                f"data.batch_size must be at least the number of processes ({world}), got {batch_size}. "
                "Raise data.batch_size, or lower trainer.devices."
            )
        train = sequences.role == 0
        owner = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))[train]
        # user u trains on items[begin[u]:begin[u] + count[u]]
        count = np.bincount(owner, minlength=len(sequences.users))
        self.begin = sequences.offsets[:-1]
        self.items, self.time = sequences.items, sequences.timestamp
        if not _leading(train, self.begin, count):
            self.items, self.begin = sequences.items[train], np.cumsum(count) - count
            self.time = None if self.time is None else self.time[train]
        self._targets = np.maximum(count - 1, 0)
        self.max_length, self.batch_size, self.seed, self.context = max_length, batch_size, seed, context
        self.groups, self.rank, self.world = groups, rank, world

    @property
    def targets(self) -> int:
        """Targets trained in one epoch by all processes: every training event but each user's first."""
        return int(self._targets.sum())

    def windows(self, epoch: int) -> tuple[Windows, Ints]:
        """The windows of an epoch of all processes; they depend on seed and epoch only.

        Returns:
            the windows in the order of the batches, and where each batch begins and the last one ends:
            (batches + 1,) int64.
        """
        generator = np.random.default_rng((self.seed, epoch))
        windows = cut(self.begin, self._targets, self.max_length, self.context, generator)
        order, edges = by_size(len(windows.user), self.batch_size, len(self), generator)
        if len(self) > 1 and edges[-1] - edges[-2] < self.world:
            edges[-2] = edges[-1] - self.world
        return windows.take(order), edges

    def __len__(self) -> int:
        windows = int(count_windows(self._targets, self.max_length - self.context).sum())
        full, rest = divmod(windows, self.batch_size)
        lent = max(self.world - rest, 0)  # by the batch before the last one
        return full + (rest > 0 and (lent == 0 or (full > 0 and self.batch_size - lent >= self.world)))

    def __iter__(self) -> Iterator[Batch]:
        self.load_state_dict(self.state_dict())  # at the end of an epoch: on to the next
        windows, edges = self.windows(self.epoch)
        for position in range(self.position, len(self)):
            rows = np.arange(edges[position] + self.rank, edges[position + 1], self.world)
            self.position = position + 1  # before the yield, so that a checkpoint after the step sees it
            yield self._gather(windows.take(rows[np.argsort(-windows.length[rows], kind="stable")]))

    def _gather(self, windows: Windows) -> Batch:
        # longest first
        user, begin, length, silent = windows
        column = np.arange(length[0])
        real = column < length[:, None]  # (B, L)
        event = np.where(real, begin[:, None] + column, 0)
        counts = real & (column >= silent[:, None])
        following = np.where(counts, event + 1, 0)
        columns = [user, np.where(real, self.items[event], 0), length, np.where(counts, self.items[following], 0)]
        times = []
        if self.time is not None:
            times = [np.where(real, self.time[event], 0), np.where(counts, self.time[following], 0)]
        return replace(_batch(columns, times), groups=groups(length, self.groups))


def _leading(train: NDArray[np.bool_], begin: Ints, count: Ints) -> bool:
    """Whether each user's training events are the first ones, so that the items need no copy."""
    after = np.cumsum(train)  # training events up to each event
    some = count > 0
    end = begin[some] + count[some] - 1
    return bool((after[end] - after[begin[some]] + 1 == count[some]).all() and train[begin[some]].all())


class EvalBatches:
    """One row for each event of a role: predict it from what the user did before. Short histories come first.

    Input is never of a later part than the target: a validation target is not predicted from a test event, even
    where the split puts one before it. A target without any input is left out. Processes get disjoint rows, and
    together each row once.

    Args:
        sequences: all events.
        role: 1 for validation targets, 2 for test targets.
        max_length: newest events given to the model; ``seen`` always holds all inputs.
        batch_size: rows a batch.
        rank: this process.
        world: number of processes.
        inputs: ``past``, all earlier events but those of a later part; ``train``, earlier training events only; or
            ``rest``, all events that no part asks for, later ones too. Events of role 3 are input in each.
    """

    def __init__(
        self,
        sequences: Sequences,
        role: int,
        max_length: int,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        inputs: Literal["past", "train", "rest"] = "past",
    ) -> None:
        self.max_length = max_length
        event = np.flatnonzero(sequences.role == role)
        known = Inputs(sequences, event, role if inputs == "past" else 0, whole=inputs == "rest")
        time = sequences.timestamp
        target_time = event if time is None else time[event]
        self.items, self.time = known.items, None if time is None else known.of(time)
        self.feedback = None if sequences.label is None else known.of(sequences.label)
        length = np.minimum(known.end - known.begin, max_length)
        # histories of one length together, so that a batch carries little padding; those without any are left out
        rows = np.argsort(length, kind="stable")[(length == 0).sum() :]
        self.share = Share(len(rows), batch_size, rank, world)
        rows = rows[self.share.rows]
        columns = (sequences.items[event], target_time, known.user, known.begin, known.end, event)
        self.target, self.target_time, self.user, self.begin, self.end, self.event = (x[rows] for x in columns)

    def __len__(self) -> int:
        return len(self.share)

    def __iter__(self) -> Iterator[Batch]:
        yield from map(self._gather, self.share)

    def _gather(self, rows: slice) -> Batch:
        begin, end = self.begin[rows], self.end[rows]
        seen_count = end - begin
        real, past, length = newest(begin, end, self.max_length)
        history = np.where(real, self.items[past], 0)
        offsets = np.concatenate([[0], np.cumsum(seen_count)])
        flat = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], seen_count)
        columns = [self.user[rows], history, length, self.target[rows], self.items[flat], offsets]
        times = []
        if self.time is not None:
            times = [np.where(real, self.time[past], 0), self.target_time[rows]]
        batch = _batch(columns, times)
        if self.feedback is not None:
            batch.feedback = torch.from_numpy(np.where(real, self.feedback[past], np.float32(np.nan)))
            batch.event = torch.from_numpy(self.event[rows])
        return batch


def _batch(columns: list[Ints], times: list[Ints]) -> Batch:
    batch = Batch(*map(torch.from_numpy, columns))  # type: ignore[arg-type]
    if times:
        batch.time, batch.target_time = map(torch.from_numpy, times)
    return batch

"""Batches as one gather from flat arrays: no per-sample Python, no copies of histories.

Training cuts each user's events into windows so that every target is trained exactly once an epoch: peers either
train on the last L events only (and lose 60 % of the targets of ML-100K) or repeat a history once per prefix.
Where the cuts lie moves from epoch to epoch, so that no target always stands at a window's poor beginning.

Everything is a function of (seed, epoch, position): a killed run goes on in the middle of an epoch exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from rec_lightning.contracts import Batch, Sequences

Ints = NDArray[np.int64]


class TrainBatches:
    """Shuffled windows over the training events.

    Args:
        sequences: all events; only those with role 0 are read.
        max_length: window length L.
        batch_size: windows a batch and process.
        seed: of the order and of the cuts.
        context: events before a window's first target that are given as input but train nothing, 0..L - 1.
        rank: this process, 0..world - 1. Processes get disjoint windows.
        world: number of processes; a last batch with fewer windows than processes is left out.
    """

    def __init__(
        self,
        sequences: Sequences,
        max_length: int,
        batch_size: int,
        seed: int,
        context: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        train = sequences.role == 0
        self.items = sequences.items[train]
        owner = np.repeat(np.arange(len(sequences.users)), np.diff(sequences.offsets))[train]
        self.offsets = np.searchsorted(owner, np.arange(len(sequences.users) + 1))
        self.max_length, self.batch_size, self.seed, self.context = max_length, batch_size, seed, context
        self.rank, self.world = rank, world
        self.epoch, self.position = 0, 0

    @property
    def targets(self) -> int:
        """Targets trained in one epoch by all processes: every training event but each user's first."""
        return int(np.maximum(np.diff(self.offsets) - 1, 0).sum())

    def windows(self, epoch: int) -> tuple[Ints, Ints, Ints, Ints]:
        """The windows of an epoch, in shuffled order.

        Returns:
            user, first event of the input, number of inputs, and how many of the first inputs have no target;
            each (W,) int64, W windows. The order of users and the cuts depend on seed and epoch only.
        """
        generator = np.random.default_rng((self.seed, epoch))
        stride = self.max_length - self.context
        targets = np.maximum(np.diff(self.offsets) - 1, 0)
        count = -(-targets // stride)
        # a shift of s makes the first window s targets short; at most the slack, so that the count never changes
        shift = generator.integers(0, count * stride - targets + 1)
        user = np.repeat(np.arange(len(targets)), count)
        nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
        first = np.maximum(nth * stride - shift[user], 0)  # first target of the window, counted in the user
        last = np.minimum((nth + 1) * stride - shift[user], targets[user])
        start = np.maximum(first - self.context, 0)
        order = generator.permutation(len(user))
        columns = (user, self.offsets[user] + start, last - start, first - start)
        user, begin, length, silent = (column[order] for column in columns)
        return user, begin, length, silent

    def __len__(self) -> int:
        targets = np.maximum(np.diff(self.offsets) - 1, 0)
        windows = int((-(-targets // (self.max_length - self.context))).sum())
        full, rest = divmod(windows, self.batch_size * self.world)
        return full + (rest >= self.world)

    def __iter__(self) -> Iterator[Batch]:
        self.load_state_dict(self.state_dict())  # at the end of an epoch: on to the next
        user, begin, length, silent = self.windows(self.epoch)
        size = self.batch_size * self.world
        for position in range(self.position, len(self)):
            rows = slice(position * size + self.rank, (position + 1) * size, self.world)
            self.position = position + 1  # before the yield, so that a checkpoint after the step sees it
            yield self._gather(user[rows], begin[rows], length[rows], silent[rows])

    def _gather(self, user: Ints, begin: Ints, length: Ints, silent: Ints) -> Batch:
        column = np.arange(length.max())
        real = column < length[:, None]  # (B, L)
        event = np.where(real, begin[:, None] + column, 0)
        history = np.where(real, self.items[event], 0)
        counts = real & (column >= silent[:, None])
        target = np.where(counts, self.items[np.where(real, event + 1, 0)], 0)
        return Batch(*(torch.from_numpy(x) for x in (user, history, length, target)))

    def state_dict(self) -> dict[str, int]:
        """Where the stream is: the epoch and the next batch of it."""
        if self.position >= len(self):
            return {"epoch": self.epoch + 1, "position": 0}
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Goes on from ``state`` at the next ``iter``."""
        self.epoch, self.position = state["epoch"], state["position"]


class EvalBatches:
    """One row for each event of a role: predict it from all that the user did before.

    A target without any event before it is left out. Processes get disjoint rows, and together each row once.

    Args:
        sequences: all events.
        role: 1 for validation targets, 2 for test targets.
        max_length: newest events given to the model; ``seen`` always holds all of them.
        batch_size: rows a batch.
        rank: this process.
        world: number of processes.
    """

    def __init__(
        self, sequences: Sequences, role: int, max_length: int, batch_size: int, rank: int = 0, world: int = 1
    ) -> None:
        self.items, self.max_length, self.batch_size = sequences.items, max_length, batch_size
        event = np.flatnonzero(sequences.role == role)
        user = np.searchsorted(sequences.offsets, event, side="right") - 1
        begin = sequences.offsets[user]
        keep = event > begin
        self.event, self.user, self.begin = (x[keep][rank::world] for x in (event, user, begin))

    def __len__(self) -> int:
        return -(-len(self.event) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self.event), self.batch_size):
            rows = slice(first, first + self.batch_size)
            yield self._gather(self.event[rows], self.user[rows], self.begin[rows])

    def _gather(self, event: Ints, user: Ints, begin: Ints) -> Batch:
        seen_count = event - begin
        length = np.minimum(seen_count, self.max_length)
        column = np.arange(length.max())
        real = column < length[:, None]
        history = np.where(real, self.items[np.where(real, (event - length)[:, None] + column, 0)], 0)
        offsets = np.concatenate([[0], np.cumsum(seen_count)])
        flat = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], seen_count)
        columns = (user, history, length, self.items[event], self.items[flat], offsets)
        return Batch(*(torch.from_numpy(x) for x in columns))

"""Examples of scoring: an event with a label, what its user did before, and items to compare it with.

One gather a batch, as for sequences. The history never holds the event itself or a later one, and the labels of the
history come along (``feedback``). A row without any history has one padded item, whose vector is zero. Everything is a
function of (seed, epoch, position): a killed run goes on in the middle of an epoch exactly.

Relations: ``batches`` makes windows for the next item; ``inputs`` says what comes before an event; ``unseen`` draws
items that the user has no event with; ``joint`` says the labels of several tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from rec_lightning.contracts import Batch, Sequences
from rec_lightning.data.inputs import Inputs, Ints, newest
from rec_lightning.data.shares import Share
from rec_lightning.data.stream import Stream
from rec_lightning.data.unseen import Unseen

Labels = NDArray[np.float32]


class Examples:
    """Every labelled event of a role, in the order of the sequences.

    Args:
        sequences: all events.
        labels: (E,) float32; NaN for an event without one, which is input only. Or (E, T) of T tasks.
        role: 0 for training, 1 for validation, 2 for test.
        max_length: newest events given to the model.
        last: highest role of an event that may be input.
        drawn: items drawn beside each event, which the user has no event with; their label is 0. Of T tasks the
            number each asks for; for one that asks for none what is drawn has no label.
        every: whether an event without a label is an example too.
        seen: whether batches say which items are no candidates of a ranking.
    """

    def __init__(
        self,
        sequences: Sequences,
        labels: Labels,
        role: int,
        max_length: int,
        last: int,
        drawn: int | list[int] = 0,
        every: bool = False,
        seen: bool = False,
    ) -> None:
        self.max_length, self.drawn, self.seen = max_length, int(np.max(drawn, initial=0)), seen
        # the label of a drawn candidate: () or (T,)
        self.beside = np.where(np.asarray(drawn) > 0, 0, np.nan).astype(np.float32)
        known = ~np.isnan(labels) if labels.ndim == 1 else ~np.isnan(labels).all(1)
        self.event = np.flatnonzero((sequences.role == role) & (known | every))
        inputs = Inputs(sequences, self.event, last)
        self.user, self.begin, self.end, self.items = inputs.user, inputs.begin, inputs.end, inputs.items
        self.time = None if sequences.timestamp is None else inputs.of(sequences.timestamp)
        self.feedback = inputs.of(labels)
        self.item, self.label = sequences.items[self.event], labels[self.event]
        self.moment = None if sequences.timestamp is None else sequences.timestamp[self.event]
        self.unseen = Unseen(sequences, role) if self.drawn else None

    def __len__(self) -> int:
        return len(self.event)

    def gather(self, rows: Ints, key: int) -> Batch:
        """The batch of some rows.

        Args:
            rows: (B,) of 0..len - 1.
            key: another one draws other candidates.
        """
        user = self.user[rows]
        real, place, length = newest(self.begin[rows], self.end[rows], self.max_length)
        candidate, label = self.item[rows][:, None], self.label[rows][:, None]
        if self.unseen is not None:
            others = self.unseen.draw(user, self.event[rows], self.drawn, key)
            candidate = np.concatenate([candidate, others], 1)
            label = np.concatenate([label, np.broadcast_to(self.beside, (*others.shape, *self.beside.shape))], 1)
        columns = {
            "user": user,
            "history": self._at(self.items, real, place, 0),
            "length": np.maximum(length, 1),
            "target": self.item[rows],
            "event": self.event[rows],
            "candidate": candidate,
            "label": label,
            "feedback": self._at(self.feedback, real, place, np.nan),
        }
        if self.time is not None and self.moment is not None:
            columns |= {"time": self._at(self.time, real, place, 0), "target_time": self.moment[rows]}
        if self.seen:
            columns |= self._seen(rows)
        return Batch(**{name: torch.from_numpy(column) for name, column in columns.items()})  # type: ignore[arg-type]

    @staticmethod
    def _at(column: NDArray[np.generic], real: NDArray[np.bool_], place: Ints, filling: float) -> NDArray[np.generic]:
        if not len(column):  # nobody has any history
            return np.full((*real.shape, *column.shape[1:]), filling, column.dtype)
        kept = real.reshape(*real.shape, *[1] * (column.ndim - 1))
        return np.where(kept, column[place], np.asarray(filling, column.dtype))

    def _seen(self, rows: Ints) -> dict[str, Ints]:
        begin, count = self.begin[rows], self.end[rows] - self.begin[rows]
        offsets = np.concatenate([[0], np.cumsum(count)])
        flat = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], count)
        return {"seen": self.items[flat], "seen_offsets": offsets}


class TrainExamples(Stream):
    """Batches of shuffled training examples, of about equal sizes.

    Args:
        examples: of training.
        batch_size: largest number of rows a batch, of all processes together.
        seed: of the order and of what is drawn.
        rank: this process, 0..world - 1. Processes get disjoint rows, and together each row once an epoch.
        world: number of processes.

    Raises:
        ValueError: fewer rows, in a batch or in all, than processes.
    """

    def __init__(self, examples: Examples, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if batch_size < world:
            raise ValueError(
                f"data.batch_size must be at least the number of processes ({world}), got {batch_size}. "
                "Raise data.batch_size, or lower trainer.devices."
            )
        if len(examples) < world:
            raise ValueError(
                f"each process needs an example at least, and there are {len(examples)} for {world}. "
                "Lower trainer.devices."
            )
        self.examples, self.batch_size, self.seed, self.rank, self.world = examples, batch_size, seed, rank, world

    def __len__(self) -> int:
        return min(-(-len(self.examples) // self.batch_size), len(self.examples) // self.world)

    def __iter__(self) -> Iterator[Batch]:
        self.load_state_dict(self.state_dict())  # at the end of an epoch: on to the next
        generator = np.random.default_rng((self.seed, self.epoch))
        order, key = generator.permutation(len(self.examples)), int(generator.integers(2**62))
        edges = np.linspace(0, len(order), len(self) + 1).astype(np.int64)
        for position in range(self.position, len(self)):
            rows = order[edges[position] + self.rank : edges[position + 1] : self.world]
            self.position = position + 1  # before the yield, so that a checkpoint after the step sees it
            yield self.examples.gather(rows, key)


class EvalExamples:
    """Batches of every example of a role in order; what is drawn beside one is the same in every run.

    Args:
        examples: of validation or test.
        batch_size: rows a batch.
        rank: this process. Processes get disjoint rows, and together each row once.
        world: number of processes.
    """

    def __init__(self, examples: Examples, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.examples, self.share = examples, Share(len(examples), batch_size, rank, world)

    def __len__(self) -> int:
        return len(self.share)

    def __iter__(self) -> Iterator[Batch]:
        for part in self.share:
            yield self.examples.gather(self.share.rows[part], key=0)

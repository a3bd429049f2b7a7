"""What a model reads before an event: everything earlier of the same user that it may know, or all of it.

Input is never of a later part than what is asked: a validation target is not predicted from a test event, even where
the split puts one before it.

Relations: ``batches`` ranks the whole catalogue after these inputs, ``examples`` scores the event itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import Sequences

Ints = NDArray[np.int64]


class Inputs:
    """The earlier events of some events.

    Args:
        sequences: all events.
        event: (n,) places of events in them.
        last: highest role that may be input: 0, 1 or 2; events in no part (3) always are.
        only: (E,) events that may be input at all; None for all.
        whole: later events of the user are input too.
    """

    def __init__(
        self,
        sequences: Sequences,
        event: Ints,
        last: int,
        only: NDArray[np.bool_] | None = None,
        whole: bool = False,
    ) -> None:
        hidden = (sequences.role > last) & (sequences.role != 3)
        if only is not None:
            hidden |= ~only
        # inputs of a row: items[begin:end]; hidden events are taken out of the array, and both ends move up
        gone = np.concatenate([[0], np.cumsum(hidden)])
        self.kept = ~hidden if gone[-1] else None
        self.items: Ints = self.of(sequences.items)
        self.user: Ints = np.searchsorted(sequences.offsets, event, side="right") - 1
        begin = sequences.offsets[self.user]
        end = sequences.offsets[self.user + 1] if whole else event
        self.begin, self.end = begin - gone[begin], end - gone[end]

    def of(self, column: NDArray[Any]) -> NDArray[Any]:
        """(E,) a column of all events -> that of those that may be input, which ``begin`` and ``end`` point into."""
        return column if self.kept is None else column[self.kept]


def newest(begin: Ints, end: Ints, max_length: int) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """The newest inputs of each row, right-padded.

    Returns:
        (B, L) which are real, (B, L) their places and 0 at the padding, (B,) how many.
    """
    length = np.minimum(end - begin, max_length)
    column = np.arange(max(1, length.max(initial=0)))
    real = column < length[:, None]
    return real, np.where(real, (end - length)[:, None] + column, 0), length

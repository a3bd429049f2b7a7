"""What users did in training, as metrics need it: the items of each, and how many there are.

Relations: read by ``calibration, activity_slices, cold_warm``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rec_lightning.contracts import Catalog

# B rows of a ranking, U users, S training events of these rows


class Past:
    """The training events of all users, on the CPU.

    Args:
        name: of the metric's option.
        catalog: holds the sequences; without any items it is a rehearsal, and nobody has a past.

    Raises:
        ValueError: the catalogue knows no sequences.
    """

    def __init__(self, name: str, catalog: Catalog) -> None:
        known = catalog.sequences
        if known is None and catalog.size:
            raise ValueError(
                f"metrics.{name} needs what users did in training, and these data do not tell it. Choose other metrics."
            )
        trained = np.zeros(0, bool) if known is None else known.role == 0
        offsets = np.zeros(1, np.int64) if known is None else known.offsets
        self._items = torch.from_numpy(np.zeros(0, np.int64) if known is None else known.items[trained])
        self._offsets = torch.from_numpy(np.append(0, np.cumsum(trained))[offsets])

    @property
    def counts(self) -> Tensor:
        """(U,) training events of each user."""
        return self._offsets.diff()

    def of(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) users -> (S,) the row and the item of each of their training events."""
        begin = self._offsets[users]
        count = self._offsets[users + 1] - begin
        row = torch.repeat_interleave(torch.arange(len(users), device="cpu"), count)
        first = torch.repeat_interleave(begin - (count.cumsum(0) - count), count)
        return row, self._items[first + torch.arange(len(row), device="cpu")]

"""One metric for parts of the examples: cold and warm users and items, by the user's activity, the item's popularity.

Cold is who or what has fewer than ``few`` training events. By activity: users are put in order of their number of
training events; light ones hold together the first third of all events, heavy ones the last. By popularity the same for
items: tail, middle, head. Equal numbers stay together, in the lower third.

Relations: ``roc_auc`` and ``errors`` over all; ``activity_slices`` and ``popularity_slices`` do this for rankings.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rec_lightning.contracts import KNOWN, Catalog, Predictions
from rec_lightning.metrics.by_example import ByExample

_THIRDS = {"users": ("light", "medium", "heavy"), "items": ("tail", "middle", "head")}


class LabelSlices(ByExample):
    """``auc_cold_users``, ``auc_heavy_users``, ``auc_tail_items`` and so on, of ``metric``; NaN for an empty slice.

    Args:
        catalog: says how many training events items and users have.
        metric: what is measured in each slice; its first key counts.
        few: users and items with fewer training events are cold.

    Raises:
        ValueError: no number of events.
    """

    def __init__(self, catalog: Catalog, metric: ByExample, few: int = 10) -> None:
        super().__init__()
        if few < 1:
            raise ValueError(f"metrics.slices.few must be at least 1, got {few}. Set it.")
        self.metric, self.few, self.kinds = metric, few, metric.kinds
        key, better = next(iter(metric.higher.items()))
        self.higher = {
            f"{key}_{name}_{of}": better for of, names in _THIRDS.items() for name in ("cold", "warm", *names)
        }
        users, items = catalog.events[KNOWN].to_numpy().astype(np.int64), catalog.popularity
        self.users, self.items = (nn.Buffer(torch.tensor(x), persistent=False) for x in (users, items))
        # of users each event says once more how many they are, so that it weighs as one event
        self.activity = nn.Buffer(torch.tensor(thirds(users, np.ones_like(users))), persistent=False)
        self.popularity = nn.Buffer(torch.tensor(thirds(items, items)), persistent=False)

    def values(self, predictions: Predictions) -> dict[str, Tensor]:
        """Of each slice."""
        found = {}
        for of, events, third in (
            ("users", self._of(self.users, predictions.event), self._of(self.activity, predictions.event)),
            ("items", self._of(self.items, predictions.item), self._of(self.popularity, predictions.item)),
        ):
            slices = {"cold": events < self.few, "warm": events >= self.few}
            slices |= {name: third == number for number, name in enumerate(_THIRDS[of])}
            for name, rows in slices.items():
                for key, value in list(self.metric.values(predictions.take(rows)).items())[:1]:
                    found[f"{key}_{name}_{of}"] = value
        return found

    @staticmethod
    def _of(column: Tensor, rows: Tensor) -> Tensor:
        # a rehearsal measures without events
        return column[rows] if len(column) else torch.zeros_like(rows)


def thirds(size: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1 or 2: the third of all weight that begins with the sizes below one's own.

    Args:
        size: (n,) int64.
        weight: (n,) int64.

    Example:
        >>> thirds(np.array([5, 1, 1, 1]), np.array([5, 1, 1, 1])).tolist()
        [1, 0, 0, 0]
    """
    unique, place = np.unique(size, return_inverse=True)
    mass = np.zeros(len(unique), np.int64)
    np.add.at(mass, place, weight)
    third: NDArray[np.int64] = 3 * (mass.cumsum() - mass) // max(1, int(mass.sum()))
    return third[place]

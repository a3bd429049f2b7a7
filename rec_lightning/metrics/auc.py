"""AUC: the share of the other items of the catalogue that the target ranks above.

With one relevant item a row it follows from the exact rank, 1 - (rank - 1) / (N - 1), without a cut-off. Items that
were left out as seen count as ranked below the target; ties count against it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking


class AUC(Metric):
    """The area under the curve, from sums of integers.

    Args:
        catalog: gives the number of items N.

    Example:
        >>> import numpy as np, polars as pl
        >>> metric = AUC(Catalog(pl.DataFrame({"item": range(11)}), np.zeros(12, np.int64)))
        >>> rank = torch.tensor([1, 6])
        >>> metric.update(Ranking(rank, rank, rank, rank, rank))
        >>> float(metric.compute()["auc"])
        0.75
    """

    full_state_update = False
    reads_lists = False
    beyond_list = True  # the exact rank of every target is read
    above: Tensor
    targets: Tensor

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self.others = catalog.size - 1
        for name in ("above", "targets"):
            self.add_state(name, torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ranking: Ranking) -> None:
        """Adds targets; their exact rank (U,) is read."""
        self.above += (ranking.rank - 1).sum()
        self.targets += len(ranking.rank)

    def compute(self) -> dict[str, Tensor]:
        """``auc``; NaN without targets."""
        return {"auc": 1 - self.above.double() / (self.targets * self.others)}

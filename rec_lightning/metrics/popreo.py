"""PopREO: how unequal the chance of a hit is for targets of different popularity; 0 when equal.

Paper: Z. Zhu, J. Wang and J. Caverlee, "Measuring and Mitigating Item Under-Recommendation Bias in Personalized Ranking
Systems", SIGIR 2020, https://doi.org/10.1145/3397271.3401177 (REO): the standard deviation of the groups' recall by
their mean. What differs: the groups are items of like popularity, equally many; cold items are in the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_group import ByGroup


class PopREO(ByGroup):
    """``popreo@k`` for each k over the groups with targets; NaN without hits.

    Args:
        catalog: gives the popularity in training.
        top_k: positive cut-offs.
        groups: at least 2.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, catalog: Catalog, top_k: Sequence[int], groups: int = 4) -> None:
        if groups < 2:
            raise ValueError(f"metrics.popreo.groups must be at least 2, got {groups}. Set metrics.popreo.groups.")
        order = torch.from_numpy(catalog.popularity[1:].argsort(kind="stable"))
        group = torch.full((catalog.size + 1,), -1, device="cpu")
        group[order + 1] = torch.arange(catalog.size, device="cpu") * groups // max(1, catalog.size)
        super().__init__("popreo", top_k, groups, group)

    def rows(self, ranking: Ranking) -> Tensor:
        """The targets."""
        return ranking.target

    def compute(self) -> dict[str, Tensor]:
        """``popreo@k`` for each k."""
        found = {}
        for k in self.top_k:
            recall = self.hit_rate(k)
            recall = recall[~recall.isnan()]
            spread = recall.var(correction=0).sqrt() if len(recall) else recall.sum()
            found[f"popreo@{k}"] = spread / recall.mean()
        return found

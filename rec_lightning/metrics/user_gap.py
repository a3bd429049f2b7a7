"""The gap of NDCG between groups of users: that of the best served less that of the worst served group.

Paper: Y. Li, H. Chen, Z. Fu, Y. Ge and Y. Zhang, "User-oriented Fairness in Recommendation", WWW 2021,
https://arxiv.org/abs/2104.10671. What differs: any number of groups, told by a column of the user table.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rec_lightning.contracts import Catalog, Ranking
from rec_lightning.metrics.by_group import ByGroup
from rec_lightning.metrics.columns import groups_of


class UserGap(ByGroup):
    """``ndcg_gap@k`` over the groups with targets; users without a group are left out. Small groups widen it.

    Args:
        catalog: gives the user table.
        top_k: positive cut-offs.
        column: of the user table.

    Raises:
        ValueError: a value out of range, or no such column.
    """

    def __init__(self, catalog: Catalog, top_k: Sequence[int], column: str) -> None:
        names, group = groups_of("user_gap", catalog.users, column)
        super().__init__("user_gap", top_k, max(1, len(names)), group)

    def rows(self, ranking: Ranking) -> Tensor:
        """The users."""
        return ranking.users

    def compute(self) -> dict[str, Tensor]:
        """``ndcg_gap@k`` for each k; NaN without targets."""
        found = {}
        for k in self.top_k:
            values = self.ndcg(k)
            known = values[~values.isnan()]
            found[f"ndcg_gap@{k}"] = known.max() - known.min() if len(known) else values.sum()
        return found

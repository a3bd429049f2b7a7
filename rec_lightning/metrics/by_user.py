"""What metrics of a user's several targets share: the user's best ranks side by side, once for all cut-offs.

One row of a ranking is one target. Targets of one user are ranked in one list, in which each is a candidate beside the
others, so that their exact ranks say where the list holds them. Means are over users, however many targets each has.

Relations: read by ``user_recall`` and ``user_ndcg``; in ``by_rank`` every target is a user of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking
from rec_lightning.metrics.by_rank import check_cuts

# T targets, U users with a target, R best ranks of a user


class ByUser(Metric):
    """The mean over users of ``of_users``, at all k at once.

    All ranks are kept until the end and sorted there, so that the value does not depend on the order of the rows.

    Args:
        top_k: positive cut-offs.

    Raises:
        ValueError: an empty list, or a cut-off below 1.
    """

    full_state_update = False
    reads_lists = False
    name = ""  # of the option and of the result
    users: list[Tensor]
    ranks: list[Tensor]

    def __init__(self, top_k: Sequence[int]) -> None:
        super().__init__()
        self.top_k = check_cuts(self.name, top_k)
        for state in ("users", "ranks"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def of_users(self, hits: Tensor, targets: Tensor, k: int) -> Tensor:
        """What each user is worth.

        Args:
            hits: (U, k) double, how many targets have each rank; two that tie have the lower place both.
            targets: (U,) how many the user has.
            k: the cut-off.
        """
        raise NotImplementedError

    def update(self, ranking: Ranking) -> None:
        """Adds targets; their users and exact ranks are read."""
        self.users.append(ranking.users)
        self.ranks.append(ranking.rank)

    def compute(self) -> dict[str, Tensor]:
        """``name@k`` for each k; NaN without targets."""
        users, ranks = (_joined(parts) for parts in (self.users, self.ranks))
        _, row, targets = torch.unique(users, return_inverse=True, return_counts=True)  # sorted by user
        values = {}
        for k in self.top_k:
            hits = torch.zeros(len(targets), k, dtype=torch.double, device=users.device)
            found = ranks <= k
            hits.index_put_((row[found], ranks[found] - 1), hits.new_ones(()), accumulate=True)
            values[f"{self.name}@{k}"] = self.of_users(hits, targets, k).mean()
        return values


def _joined(parts: list[Tensor] | Tensor) -> Tensor:
    # several processes give one tensor, nobody at all an empty list
    if isinstance(parts, Tensor):
        return parts
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)

"""Two stages: the first run's best are the candidates, and the second run alone says in which order they stand.

The shape of P. Covington, J. Adams and E. Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016,
https://doi.org/10.1145/2959100.2959190: candidate generation, then ranking by a model that sees one candidate at a time
and more of what is known of it. What differs: any run that ranks brings candidates, and any run of scoring orders them.

Relations: with a run of scoring among them the other rules of this room blend both orders in place of this.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rec_lightning.ranking.fuse.joined import Joined


class TwoStage:
    """Values by the second run's places alone.

    Example:
        >>> row = torch.ones(1, dtype=torch.long)
        >>> place = torch.tensor([[[1, 2]], [[2, 1]]])
        >>> TwoStage()(Joined(row, row, torch.tensor([[4, 7]]), place, torch.zeros(2, 1, 2), 2)).tolist()
        [[-2.0, -1.0]]
    """

    learns = False
    rescores = True

    def check(self, models: int) -> None:
        """Refuses other than two runs.

        Raises:
            ValueError: it is another number.
        """
        if models != 2:
            raise ValueError(
                f"fuse=two_stage needs two runs, one that ranks and one of scoring, got {models}. Set "
                "runs=[RANKS,SCORES]."
            )

    def __call__(self, joined: Joined) -> Tensor:
        """(U, C)."""
        last = joined.place[-1]
        return torch.where(last > 0, -last.float(), -torch.inf)

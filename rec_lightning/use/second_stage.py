"""A run of scoring behind the run that recommends: it orders the best of each user.

Nobody's event is asked, so a scorer that reads columns of events is refused. What users said of their past comes from
the run's own data; of a file nothing is known, and its events count as unlabelled ones.

Relations: ``recommendation`` asks it; ``rescoring`` does the same for a measured ranking.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from rec_lightning.contracts import Ranking, Sequences
from rec_lightning.data.module import RecData
from rec_lightning.runtime.rescoring import Rescoring, read_scorer
from rec_lightning.use.histories import Histories

# B users, C candidates

_DEPTH = 100


def second_stage(config: DictConfig) -> SecondStage | None:
    """The run of scoring that ``recommend`` was given; None without one.

    Args:
        config: resolved ``recommend`` configuration.

    Raises:
        ValueError: as ``SecondStage``, or options that exclude each other.
    """
    if config.rescore is None:
        if config.depth is not None:
            raise ValueError(f"depth has an effect with rescore only, got {config.depth}. Set rescore=DIR.")
        return None
    for name, why in (("rerank", "both order the candidates"), ("new_items", "it has not learnt of new items")):
        if config[name]:
            raise ValueError(f"rescore and {name} do not go together, since {why}. Leave one of them out.")
    return SecondStage(str(config.rescore))


class SecondStage:
    """Construction tries everything that can be known wrong without data.

    Args:
        run: directory of a run that scored labels.

    Raises:
        ValueError: no complete run, one that ranks, or one that cannot be asked about a future event.
    """

    def __init__(self, run: str) -> None:
        found = read_scorer(run)
        if found is None:
            raise ValueError(
                f"rescore must be a run that scored labels, and {run} ranks. Set rescore, or leave it out."
            )
        self.run, self.scorer = run, Rescoring(found, None)

    def read(self, first: RecData, name: str) -> Sequences:
        """Reads the model; gives all events with their labels.

        Raises:
            ValueError: its data or split are not those of the first stage.
            OSError: data or model cannot be had.
        """
        self.scorer.read(first, name)
        known = self.scorer.data.catalog.sequences
        assert known is not None
        return known

    def depth(self, asked: int | None, k: int, most: int) -> int:
        """How many candidates it orders.

        Args:
            asked: by the user; None for 100, or all where there are fewer.
            k: items of a list.
            most: candidates there are.

        Raises:
            ValueError: fewer than a list has, or more than there are.
        """
        depth = max(k, min(_DEPTH, most)) if asked is None else asked
        if type(depth) is not int or not k <= depth <= most:
            raise ValueError(f"depth must be k ({k})..number of candidates ({most}), got {depth}. Set depth.")
        return depth

    @property
    def timed(self) -> bool:
        """Whether histories must have times."""
        return bool(self.scorer.task.needs_time)

    def ordered(self, people: Histories, items: Tensor, scores: Tensor, at: int | None) -> tuple[Tensor, Tensor]:
        """The candidates of these users by what they are worth, and their worth: (B, C), (B, C).

        Args:
            people: whose they are, in this order.
            items: (B, C), best first; 0 where there are fewer.
            scores: (B, C) of the first stage.
            at: second of the question; None for each user's last event.
        """
        if people.label is None:
            people = replace(people, label=np.full(len(people.items), np.nan, np.float32))
        none = torch.zeros(len(items), dtype=torch.long)  # nothing is known to be right
        whole = Ranking(none, items, scores, none, none)
        items, scores = torch.zeros_like(items), torch.empty_like(scores)
        data = self.scorer.data
        rows = max(1, data.eval_batch_size // items.shape[1])
        for places, batch in people.batches(data.max_length, rows, self.timed, at):
            found = self.scorer.ordered(whole.take(torch.from_numpy(places)), batch)
            items[places], scores[places] = found.items, found.scores
        return items, scores

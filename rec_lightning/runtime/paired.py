"""One ranking beside another of the same targets: each metric, and the paired difference of one of them.

Relations: ``beside`` and ``fusing`` write what is found here beside a run's own metrics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Ranking

_LEVEL = 0.95


def values_of(metrics: Mapping[str, Metric], ranking: Ranking, prefix: str) -> dict[str, float]:
    """Every metric of the ranking in this process only, its key after the prefix."""
    found: dict[str, float] = {}
    for metric in metrics.values():
        found |= {f"{prefix}{key}": value for key, value in _alone(metric, ranking).items()}
    return found


def difference(metrics: Mapping[str, Metric], key: str, ours: Ranking, theirs: Ranking) -> dict[str, float] | None:
    """The mean difference of a metric over the targets with its t interval: ``mean, low, high, level``.

    Targets of a user belong together: the interval is over users, by the linear part of a ratio of two sums, which with
    one target each is the plain one.

    Args:
        metrics: one of which has the key.
        key: without any prefix.
        ours: a ranking.
        theirs: another one.

    Returns:
        None where the metric is no mean over targets, or the rankings are not of the same ones.
    """
    own, other = (_per_target(metrics, key, ranking) for ranking in (ours, theirs))
    same = torch.equal(ours.users, theirs.users) and torch.equal(ours.target, theirs.target)
    users = np.unique(ours.users.numpy(), return_inverse=True)[1]  # (T,) 0..U - 1
    if own is None or other is None or not same or not users.any():
        return None
    return {**_interval(own - other, users), "level": _LEVEL}


def _interval(change: NDArray[np.float64], users: NDArray[np.int64]) -> dict[str, float]:
    """(T,) differences and (T,) whose they are, 0..U - 1."""
    from scipy.special import stdtrit  # here, so that a run starts light

    mean = change.mean()
    rest = np.bincount(users, change - mean) * (users.max() + 1) / len(change)  # (U,), their mean is 0
    reach = stdtrit(len(rest) - 1, (1 + _LEVEL) / 2) * rest.std(ddof=1) / len(rest) ** 0.5
    return {"mean": float(mean), "low": float(mean - reach), "high": float(mean + reach)}


def _alone(metric: Metric, ranking: Ranking) -> dict[str, float]:
    # in this process only: the others of a distributed run do not take part
    metric.sync_on_compute = metric._to_sync = False
    metric.reset()
    metric.update(ranking)
    return {key: float(value) for key, value in metric.compute().items()}


def _per_target(metrics: Mapping[str, Metric], key: str, ranking: Ranking) -> NDArray[np.float64] | None:
    """(T,) values whose mean is the metric; None where it is no mean of a function of the rank."""
    for metric in metrics.values():
        whole = _alone(metric, ranking)
        if key not in whole:
            continue
        if getattr(metric, "reads_lists", True):
            return None
        last = max(getattr(metric, "top_k", [int(ranking.rank.max())])) + 1  # all ranks below the cut-offs count alike
        rank, place = torch.unique(ranking.rank.clamp(max=last), return_inverse=True)
        values = np.array([_alone(metric, _one(r))[key] for r in rank])[place.numpy()]
        return values if np.isclose(values.mean(), whole[key], rtol=0, atol=1e-6) else None
    return None


def _one(rank: Tensor) -> Ranking:
    rank = rank.view(1)
    return Ranking(
        torch.zeros_like(rank), torch.ones(1, 1, dtype=torch.long), torch.zeros(1, 1), torch.ones_like(rank), rank
    )

"""Known values, an independent reference, and the same number whatever the order, the batches and the processes."""

from __future__ import annotations

import math
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_lightning.contracts import Ranking
from rec_lightning.metrics.hit_rate import HitRate
from rec_lightning.metrics.ndcg import NDCG
from tests.members import member, members

CUTS = [1, 5, 10, 20]


def ranking(rank: Tensor) -> Ranking:
    return Ranking(rank, rank.unsqueeze(1), rank.unsqueeze(1).float(), rank, rank)


def ranks(users: int = 500) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).zipf(1.5, users).clip(max=1000))


def measured(parts: list[Tensor]) -> dict[str, float]:
    """Every metric of every member of the room, fed part by part."""
    found: dict[str, float] = {}
    for choice in members("metrics"):
        for metric in member("metrics", choice).values():
            for part in parts:
                metric.update(ranking(part))
            found |= {key: float(value) for key, value in metric.compute().items()}
    return found


def test_equal_an_independent_reference() -> None:
    rank = ranks().tolist()
    found = measured([ranks()])
    for k in CUTS:
        assert found[f"hr@{k}"] == pytest.approx(sum(r <= k for r in rank) / len(rank), abs=1e-15)
        gain = math.fsum(1 / math.log2(1 + r) for r in rank if r <= k) / len(rank)
        assert found[f"ndcg@{k}"] == pytest.approx(gain, abs=1e-15)


def test_rank_at_the_cut_counts_and_the_next_does_not() -> None:
    for metric, at in ((HitRate([10]), 1.0), (NDCG([10]), 1 / math.log2(11))):
        metric.update(ranking(torch.tensor([10])))
        assert float(*metric.compute().values()) == pytest.approx(at, abs=1e-15)
        metric.reset()
        metric.update(ranking(torch.tensor([11])))
        assert float(*metric.compute().values()) == 0


@pytest.mark.parametrize("size", [1, 7, 499])
def test_neither_order_nor_batches_matter_to_the_last_bit(size: int) -> None:
    shuffled = ranks()[torch.randperm(500)]
    assert measured(list(shuffled.split(size))) == measured([ranks()])


def test_no_users_give_nan() -> None:
    assert all(math.isnan(float(v)) for m in (HitRate([1]), NDCG([1])) for v in m.compute().values())


def _process(rank: int, folder: str, results: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    results.put(measured([ranks()[rank::2]] if rank else list(ranks()[rank::2].split(9))))
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_value_of_one_to_the_last_bit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_process, args=(rank, str(tmp_path), results)) for rank in (0, 1)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)
    assert found == [measured([ranks()])] * 2


@pytest.mark.parametrize(("metric", "name"), [(HitRate, "hit_rate"), (NDCG, "ndcg")])
@pytest.mark.parametrize("cuts", [[], [0, 5]])
def test_cuts_out_of_range(metric: type, name: str, cuts: list[int]) -> None:
    text = rf"^metrics.{name}.top_k must be positive cut-offs, got \[{', '.join(map(str, cuts))}\]. Set top_k.$"
    with pytest.raises(ValueError, match=text):
        metric(cuts)

"""Speed of the re-rankers: users a CPU-second for 20 of 100, and the fast greedy DPP beside the naive one, 50 of 500.

    python tests/benchmarks/bench_rerank.py [users]

12,000 items with vectors of width 64, one to three of 18 genres, a year and a price; 60 seen items a user. One thread,
CPU-seconds, the best of three interleaved turns. The naive greedy computes the determinant of each candidate's
list, all candidates of a place in one call; it must find the same list.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra.utils import instantiate
from torch import Tensor

from rec_lightning.contracts import Batch, Catalog, Ranking
from rec_lightning.ranking.rerank.dpp import DPP
from rec_lightning.ranking.reranked import rerank
from rec_lightning.runtime.composition import compose, conf_dir

ITEMS, WIDTH, SEEN = 12_000, 64, 60


def catalogue() -> Catalog:
    generator = np.random.default_rng(0)
    genres = [[f"g{g}" for g in generator.permutation(18)[: generator.integers(1, 4)]] for _ in range(ITEMS)]
    price = generator.integers(1, 100, ITEMS).astype(float)
    year = generator.integers(1930, 2000, ITEMS)
    items = pl.DataFrame({"item": range(ITEMS), "genres": genres, "year": year, "price": price})
    return Catalog(items, np.append(0, generator.integers(1, 50, ITEMS)))


def problem(users: int, candidates: int) -> tuple[Ranking, Batch, Tensor]:
    torch.manual_seed(0)
    items = torch.stack([torch.randperm(ITEMS)[:candidates] + 1 for _ in range(users)])
    scores = torch.randn(users, candidates).sort(1, descending=True).values
    row, seen = torch.arange(users), torch.randint(1, ITEMS + 1, (users * SEEN,))
    target, offsets = items[:, 5], torch.arange(0, users * SEEN + 1, SEEN)
    ranking = Ranking(row, items, scores, target, torch.full((users,), 6))
    batch = Batch(row, items[:, :1], torch.ones_like(row), target, seen, offsets)
    return ranking, batch, torch.randn(ITEMS + 1, WIDTH)


def naive(scores: Tensor, unit: Tensor, weight: float, k: int) -> list[int]:
    """One user: a determinant for each candidate of each place."""
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    kernel = 0.99 * unit @ unit.T
    kernel.fill_diagonal_(1)
    chosen: list[int] = []
    for _ in range(k):
        rest = torch.tensor([c for c in range(len(scores)) if c not in chosen])
        own = torch.cat([torch.tensor(chosen, dtype=torch.long).expand(len(rest), -1), rest.unsqueeze(1)], 1)
        volume = torch.linalg.slogdet(kernel[own.unsqueeze(2), own.unsqueeze(1)])[1]
        value = (1 - weight) * relevance[own].sum(1) + weight * volume
        chosen.append(int(rest[value.argmax()]))
    return chosen


def seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def every(users: int) -> None:
    catalog, (ranking, batch, vectors) = catalogue(), problem(users, 100)
    choices = sorted(file.stem for file in (conf_dir() / "rerank").glob("*.yaml") if file.stem != "none")
    parts = {choice: instantiate(compose("train", _options(choice)).rerank)(catalog=catalog) for choice in choices}
    best = dict.fromkeys(parts, float("inf"))
    for _ in range(3):
        for name, part in parts.items():
            took = seconds(lambda part=part: rerank(ranking, batch, vectors, part, 20))  # type: ignore[misc]
            best[name] = min(best[name], took)
    for name, took in best.items():
        print(f"{name:14}{users / took:10,.0f} users / CPU s, 20 of 100")


def _options(choice: str) -> list[str]:
    rules = ["rerank.by=year", "rerank.most=2"] if choice == "constraints" else []
    return [f"rerank={choice}", *rules]


def dpp(users: int) -> None:
    catalog, (ranking, batch, vectors) = catalogue(), problem(users, 500)
    part = DPP(catalog, candidates=500)
    fast = min(seconds(lambda: rerank(ranking, batch, vectors, part, 50)) for _ in range(3)) / users
    found = rerank(ranking, batch, vectors, part, 50)
    unit = torch.nn.functional.normalize(vectors[ranking.items[0]], dim=1).double()
    lists: list[list[int]] = []
    slow = seconds(lambda: lists.append(naive(ranking.scores[0].double(), unit, 0.3, 50)))
    assert ranking.items[0, lists[0]].tolist() == found.items[0].tolist()
    print(f"dpp, 50 of 500: {1 / fast:,.0f} users / CPU s, the naive greedy {1 / slow:.2f}: {slow / fast:,.0f} times")


if __name__ == "__main__":
    torch.set_num_threads(1)
    every(int(sys.argv[1]) if len(sys.argv) > 1 else 2048)
    dpp(128)

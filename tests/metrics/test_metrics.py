"""Known values, an independent reference, and the same number whatever the order, the batches and the processes."""

from __future__ import annotations

import math
import multiprocessing
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from rec_lightning.contracts import Catalog, Ranking, Sequences
from rec_lightning.metrics.activity_slices import ActivitySlices
from rec_lightning.metrics.calibration import Calibration
from rec_lightning.metrics.cold_warm import ColdWarm
from rec_lightning.metrics.coverage import Coverage
from rec_lightning.metrics.diversity import Diversity
from rec_lightning.metrics.hit_rate import HitRate
from rec_lightning.metrics.long_tail import LongTail
from rec_lightning.metrics.mrr import MRR
from rec_lightning.metrics.ndcg import NDCG
from rec_lightning.metrics.popreo import PopREO
from rec_lightning.metrics.popularity_slices import SLICES, PopularitySlices
from rec_lightning.metrics.user_gap import UserGap
from rec_lightning.metrics.vector_diversity import VectorDiversity
from rec_lightning.runtime.measures import build_metrics
from tests.members import composed, members

CUTS = [1, 5, 10, 20]
ITEMS = 60


def ranking(rank: Tensor) -> Ranking:
    return Ranking(rank, rank.unsqueeze(1), rank.unsqueeze(1).float(), rank, rank)


def ranks(users: int = 500) -> Tensor:
    return whole().rank[:users]


@cache
def known() -> Catalog:
    """60 items, some never seen in training, some without categories or a year; 500 users, some of no gender."""
    generator = np.random.default_rng(1)
    popularity = np.append(0, generator.zipf(1.5, ITEMS).clip(max=200) - 1)
    genres = [[f"g{g}" for g in generator.permutation(6)[: generator.integers(0, 4)]] for _ in range(ITEMS)]
    year = [None if i % 13 == 0 else str(1990 + i % 5) for i in range(ITEMS)]
    items = pl.DataFrame({"item": range(ITEMS), "genres": genres, "year": year})
    gender = [[None, "F", "M"][g] for g in generator.integers(0, 3, 500)]
    return Catalog(items, popularity, pl.DataFrame({"user": range(500), "gender": gender}), sequences=events())


@cache
def events() -> Sequences:
    """Up to 30 events of each user, the last one or two of other parts; the first ten users have no training event."""
    generator = np.random.default_rng(2)
    counts = generator.integers(2, 31, 500)
    role = np.concatenate([[0] * (n - 2) + [1, 2] if u >= 10 else [3] * n for u, n in enumerate(counts)])
    items = generator.integers(1, ITEMS + 1, counts.sum())
    return Sequences(items, np.append(0, counts.cumsum()), role.astype(np.int8), pl.Series(range(500)))


@cache
def vectors() -> np.ndarray:
    """A vector an item, the first of zeros."""
    found = np.random.default_rng(3).normal(size=(ITEMS, 5)).astype(np.float32)
    found[0] = 0
    return found


@cache
def whole() -> Ranking:
    """500 rows, some of whose lists are short; the target stands where its rank says."""
    generator = np.random.default_rng(0)
    rank = generator.zipf(1.3, 500).clip(max=ITEMS)
    target = generator.integers(1, ITEMS + 1, 500)
    items = np.zeros((500, 20), np.int64)
    for row in range(500):
        others = generator.permutation([i for i in range(1, ITEMS + 1) if i != target[row]])
        items[row] = np.insert(others, rank[row] - 1, target[row])[:20]
        if rank[row] < 15 and row % 7 == 0:
            items[row, 15:] = 0
    columns = (np.arange(500), items, items.astype(np.float32), target, rank)
    return Ranking(*(torch.from_numpy(column) for column in columns))


def rows(index: Tensor) -> Ranking:
    own = whole()
    return Ranking(*(column[index] for column in (own.users, own.items, own.scores, own.target, own.rank)))


@cache
def built() -> list[Metric]:
    """Every metric of every member of the room, once; made before any fork, after which polars must not be called."""
    file = Path(mkdtemp()) / "vectors.npy"
    np.save(file, vectors())
    given = {"vectors": [f"metrics.vector_diversity.vectors.path={file}"]}
    given["cold_start"] = ["metrics.cold_warm.fewer=5"]  # as everywhere else: one of a kind is measured
    groups = [composed("metrics", choice, *given.get(choice, [])) for choice in members("metrics")]
    made = [metric for group in groups for metric in build_metrics(group, known()).values()]
    file.unlink()
    return list({type(metric): metric for metric in made}.values())


def measured(parts: list[Tensor]) -> dict[str, float]:
    """Every metric of every member of the room, fed part by part; the parts are rows of ``whole``."""
    found: dict[str, float] = {}
    for metric in built():
        metric.reset()
        for part in parts:
            metric.update(rows(part))
        found |= {key: float(value) for key, value in metric.compute().items()}
    return found


def test_equal_an_independent_reference() -> None:
    rank = ranks().tolist()
    found = measured([torch.arange(500)])
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


@pytest.mark.parametrize("size", [7, 499])
def test_neither_order_nor_batches_matter_to_the_last_bit(size: int) -> None:
    assert measured(list(torch.randperm(500).split(size))) == measured([torch.arange(500)])


def test_who_says_that_it_reads_no_lists_needs_none() -> None:
    own = whole()
    bare = Ranking(own.users, own.items[:, :0], own.scores[:, :0], own.target, own.rank)
    quick = [metric for metric in built() if not getattr(metric, "reads_lists", True)]
    assert {type(metric) for metric in quick} >= {HitRate, NDCG, MRR, UserGap, PopularitySlices, PopREO}
    assert Coverage not in {type(metric) for metric in quick}
    for metric in quick:
        values = []
        for given in (own, bare):
            metric.reset()
            metric.update(given)
            values.append({key: float(value) for key, value in metric.compute().items()})
        assert values[0] == pytest.approx(values[1], nan_ok=True, abs=0)


def test_no_users_give_nan() -> None:
    assert all(math.isnan(value) for value in measured([torch.arange(0)]).values())


def _process(rank: int, folder: str, results: Any) -> None:
    torch.set_num_threads(1)  # threads of before the fork are not there
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    own = torch.arange(500)[rank::2]
    results.put(measured([own] if rank else list(own.split(9))))
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_value_of_one_to_the_last_bit(tmp_path: Path) -> None:
    built(), whole()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_process, args=(rank, str(tmp_path), results), daemon=True) for rank in (0, 1)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)
    assert found == [measured([torch.arange(500)])] * 2


@pytest.mark.parametrize(("metric", "name"), [(HitRate, "hit_rate"), (NDCG, "ndcg")])
@pytest.mark.parametrize("cuts", [[], [0, 5]])
def test_cuts_out_of_range(metric: type, name: str, cuts: list[int]) -> None:
    text = rf"^metrics.{name}.top_k must be positive cut-offs, got \[{', '.join(map(str, cuts))}\]. Set top_k.$"
    with pytest.raises(ValueError, match=text):
        metric(cuts)


def reference() -> dict[str, float]:
    """Every other metric by its definition, row by row in plain Python."""
    own, catalog = whole(), known()
    popularity = catalog.popularity.tolist()
    rank, target = own.rank.tolist(), own.target.tolist()
    genres, year = [[], *catalog.items["genres"].to_list()], [None, *catalog.items["year"].to_list()]
    by_popularity = sorted(range(1, ITEMS + 1), key=lambda i: -popularity[i])
    gender = catalog.users["gender"].to_list()
    expected = {"auc": sum(sum(o > r for o in range(1, ITEMS + 1)) for r in rank) / (len(rank) * (ITEMS - 1))}
    # every user has one target here; ``test_user_metrics`` has several
    expected |= {f"user_recall@{k}": sum(r <= k for r in rank) / 500 for k in (20, 50)}
    expected["user_ndcg@100"] = sum(1 / math.log2(1 + r) for r in rank if r <= 100) / 500
    for k in CUTS:
        hits = [r <= k for r in rank]
        lists = [[i for i in row[:k] if i] for row in own.items.tolist()]
        flat = [i for row in lists for i in row]
        count = [flat.count(i) for i in range(1, ITEMS + 1)]
        share = [c / len(flat) for c in count]
        smoothed = [(p + 1) / (sum(popularity) + ITEMS) for p in popularity]
        head = by_popularity[: round(0.2 * ITEMS)]
        expected |= {
            f"recall@{k}": sum(hits) / 500,
            f"precision@{k}": sum(h / k for h in hits) / 500,
            f"f1@{k}": sum(2 * (1 / k) / (1 / k + 1) for h in hits if h) / 500,
            f"mrr@{k}": sum(1 / r for r in rank if r <= k) / 500,
            f"map@{k}": sum(1 / r for r in rank if r <= k) / 500,
            f"coverage@{k}": len(set(flat)) / ITEMS,
            f"gini@{k}": sum(abs(a - b) for a in count for b in count) / (2 * ITEMS * sum(count)),
            f"entropy@{k}": -sum(s * math.log2(s) for s in share if s),
            f"novelty@{k}": -sum(math.log2(smoothed[i]) for i in flat) / len(flat),
            f"arp@{k}": sum(popularity[i] for i in flat) / len(flat),
            f"long_tail@{k}": sum(i not in head for i in flat) / len(flat),
            f"serendipity@{k}": sum(h and t not in by_popularity[:k] for h, t in zip(hits, target, strict=True)) / 500,
        }
        quarter = {i: n * 4 // ITEMS for n, i in enumerate(sorted(range(1, ITEMS + 1), key=lambda i: popularity[i]))}
        recall = [np.mean([h for h, t in zip(hits, target, strict=True) if quarter[t] == q]) for q in range(4)]
        expected[f"popreo@{k}"] = float(np.std(recall) / np.mean(recall))
        gain = [1 / math.log2(1 + r) if r <= k else 0 for r in rank]
        each = [np.mean([g for g, u in zip(gain, gender, strict=True) if u == name]) for name in "FM"]
        expected[f"ndcg_gap@{k}"] = float(abs(each[0] - each[1]))
        years = {y for y in year if y}
        places = {
            y: sum(year[i] == y for i in flat) / sum(p for p, o in zip(popularity, year, strict=True) if o == y)
            for y in years
        }
        expected[f"provider_exposure@{k}"] = min(places.values()) / max(places.values())
        if k > 1:
            unlike = [1 - _jaccard(genres[a], genres[b]) for row in lists for a, b in combinations(row, 2)]
            sizes = [len(row) * (len(row) - 1) // 2 for row in lists for _ in range(len(row) * (len(row) - 1) // 2)]
            expected[f"diversity@{k}"] = sum(u / n for u, n in zip(unlike, sizes, strict=True)) / 500
            expected[f"vector_diversity@{k}"] = float(np.mean([_apart(row) for row in lists]))
        expected[f"calibration@{k}"] = _calibration(genres, lists)
        expected |= _by_past(k, gain, hits, target)
        cold = [t for t in range(1, ITEMS + 1) if popularity[t] == 0]
        expected[f"ndcg_cold@{k}"] = float(np.mean([g for g, t in zip(gain, target, strict=True) if t in cold]))
        expected[f"hr_cold@{k}"] = float(np.mean([h for h, t in zip(hits, target, strict=True) if t in cold]))
    return expected


def _apart(items: list[int]) -> float:
    own = vectors()[[i - 1 for i in items]].astype(float)
    norms = np.linalg.norm(own, axis=1)
    pairs = list(combinations(range(len(items)), 2))
    return float(np.mean([1 - own[a] @ own[b] / max(norms[a] * norms[b], 1e-12) for a, b in pairs]))


def _training(user: int) -> list[int]:
    part = slice(*events().offsets[user : user + 2])
    return [int(i) for i, r in zip(events().items[part], events().role[part], strict=True) if r == 0]


def _shares(genres: list[list[str]], items: list[int]) -> dict[str, float]:
    total = dict[str, float]()
    for genre, part in ((g, 1 / len(genres[i])) for i in items for g in genres[i]):
        total[genre] = total.get(genre, 0.0) + part
    return total


def _calibration(genres: list[list[str]], lists: list[list[int]]) -> float:
    found = []
    for user, row in enumerate(lists):
        wanted, shown = _shares(genres, _training(user)), _shares(genres, row)
        if not wanted:
            continue
        shares = {g: part / sum(wanted.values()) for g, part in wanted.items()}
        mixed = {g: 0.99 * shown.get(g, 0.0) / len(row) + 0.01 * p for g, p in shares.items()}
        found.append(sum(p * math.log(p / mixed[g]) for g, p in shares.items()))
    return float(np.mean(found))


def _by_past(k: int, gain: list[float], hits: list[bool], target: list[int]) -> dict[str, float]:
    """Slices by what users and items had in training."""
    count, popularity = [len(_training(user)) for user in range(500)], known().popularity
    ordered = sorted(c for c in count if c)
    group = [1 + 3 * sum(o < c for o in ordered) // len(ordered) if c else 0 for c in count]
    parts = {f"{name}_users": [g == n for g in group] for n, name in enumerate(("new", "light", "medium", "heavy"))}
    parts |= {"cold_users": [c < 5 for c in count], "warm_users": [c >= 5 for c in count]}
    parts |= {"cold_items": [popularity[t] < 5 for t in target], "warm_items": [popularity[t] >= 5 for t in target]}
    return {
        f"{key}_{name}@{k}": float(np.mean(np.array(values)[inside]))
        for name, inside in parts.items()
        for key, values in (("ndcg", gain), ("hr", hits))
    }


def _jaccard(a: list[str], b: list[str]) -> float:
    return len({*a} & {*b}) / len({*a, *b}) if a or b else 1.0


def test_every_other_metric_equals_its_definition() -> None:
    found, expected = measured([torch.arange(500)]), reference()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key
    slices = {
        key for key in found if key.split("_")[-1].split("@")[0] in ("tail", "middle", "head") and "long" not in key
    }
    assert {key for key in found if key.split("@")[0] not in ("hr", "ndcg")} == {*expected, *slices}


def test_the_slices_weigh_up_to_the_whole_and_split_the_events_in_thirds() -> None:
    metric = PopularitySlices(known(), [10])
    metric.update(whole())
    found = {key: float(value) for key, value in metric.compute().items()}
    group = metric.group[whole().target].tolist()
    weighed = sum(group.count(n) * found[f"ndcg_{name}@10"] for n, name in enumerate(SLICES)) / 500
    assert weighed == pytest.approx(measured([torch.arange(500)])["ndcg@10"], abs=1e-12)
    popularity = known().popularity[1:]
    assert (popularity[metric.group[1:].numpy() == 0] == 0).all()
    bounds = [popularity[metric.group[1:].numpy() == n] for n in (1, 2, 3)]
    assert bounds[0].max() <= bounds[1].min()
    assert bounds[1].max() <= bounds[2].min()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LongTail(known(), [5], head=1), "metrics.long_tail.head must be between 0 and 1, got 1. Set"),
        (lambda: PopREO(known(), [5], groups=1), "metrics.popreo.groups must be at least 2, got 1. Set"),
        (
            lambda: Diversity(known(), [1], "genres"),
            "metrics.diversity.top_k must hold a cut-off of at least 2, got",
        ),
        (lambda: Coverage(known(), [0]), "metrics.coverage.top_k must be positive cut-offs, got [0]. Set top_k."),
        (
            lambda: ColdWarm(known(), [5], fewer=0),
            "metrics.cold_warm.fewer must be at least 1, got 0. Set metrics.cold_warm.fewer.",
        ),
        (
            lambda: ActivitySlices(replace(known(), sequences=None), [5]),
            "metrics.activity_slices needs what users did in training, and these data do not tell it. Choose other",
        ),
        (
            lambda: Calibration(known(), [5], "brand"),
            "metrics.calibration.column must be a column of these data (genres, year), got 'brand'. Set",
        ),
        (
            lambda: VectorDiversity(known(), [1], lambda catalog: torch.ones(ITEMS, 2)),
            "metrics.vector_diversity.top_k must hold a cut-off of at least 2, got [1]. Set top_k.",
        ),
        (lambda: MRR([]), "metrics.mrr.top_k must be positive cut-offs, got []. Set top_k."),
        (
            lambda: UserGap(known(), [5], "age"),
            "metrics.user_gap.column must be a column of these data (gender), got 'age'. Set",
        ),
        (
            lambda: Diversity(known(), [5], "brand"),
            "metrics.diversity.column must be a column of these data (genres, year), got",
        ),
        (
            lambda: Coverage(known(), [21]).update(whole()),
            "metrics.coverage.top_k must be 1..ranking.k (20), got 21. Set top_k, or raise ranking.k.",
        ),
    ],
    ids=[
        *("head", "groups", "pairs", "cuts", "cold", "no past", "taste column", "vector pairs", "no cuts"),
        *("user column", "item column", "short lists"),
    ],
)
def test_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        make()

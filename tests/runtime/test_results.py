from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch

from rec_lightning.contracts import Catalog, Ranking, Sequences
from rec_lightning.runtime.results import gather, write_rankings


def ranking(users: list[int], items: list[list[int]]) -> Ranking:
    lists = torch.tensor(items)
    scores = torch.where(lists > 0, lists / 10, -torch.inf)
    rows = torch.tensor(users)
    return Ranking(rows, lists, scores, torch.ones_like(rows), rows + 5)


def test_gather_orders_by_user() -> None:
    joined = gather([ranking([3, 1], [[2, 1], [3, 2]]), ranking([2], [[1, 3]])])
    assert joined.users.tolist() == [1, 2, 3]
    assert joined.items.tolist() == [[3, 2], [1, 3], [2, 1]]
    assert joined.rank.tolist() == [6, 7, 8]


def test_rankings_are_written_with_the_ids_of_the_source_and_without_filling(tmp_path: Path) -> None:
    catalog = Catalog(pl.DataFrame({"item": ["a", "b", "c"]}), np.zeros(4, np.int64))
    none = np.zeros(0, np.int64)
    sequences = Sequences(none, none, none.astype(np.int8), pl.Series("user", ["u", "v", "w"]))
    write_rankings(tmp_path / "r.parquet", ranking([0, 1, 2], [[3, 1], [2, 0], [0, 0]]), sequences, catalog)
    table = pl.read_parquet(tmp_path / "r.parquet")
    assert table.columns == ["user", "target", "rank", "items", "scores"]
    assert table["user"].to_list() == ["u", "v", "w"]
    assert table["target"].to_list() == ["a", "a", "a"]
    assert table["rank"].to_list() == [5, 6, 7]
    assert table["items"].to_list() == [["c", "a"], ["b"], []]
    assert [[round(s, 1) for s in row] for row in table["scores"].to_list()] == [[0.3, 0.1], [0.2], []]

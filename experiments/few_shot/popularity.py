"""AUC of popularity on the rows that the study tests, with a bootstrap over users.

    python experiments/few_shot/popularity.py runs/few_shot/smollm2-zero-shot/seed-42

A film is as popular as it has ratings among the first 70 % of each user's; labels are not read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from rec_lightning.data.module import RecData
from rec_lightning.data.sources.movielens import MovieLens100K
from rec_lightning.data.split.temporal_ratio import TemporalRatio


def auc(label: ArrayLike, score: ArrayLike) -> float:
    """The share of pairs in the right order, ties counted half."""
    likes = np.asarray(label) > 0.5
    n = int(likes.sum())
    return float((rankdata(score)[likes].sum() - n * (n + 1) / 2) / (n * (len(likes) - n)))


def interval(draws: list[pl.DataFrame], column: str) -> list[float]:
    """95 % percentile interval over the draws."""
    return [float(x) for x in np.percentile([auc(draw["label"], draw[column]) for draw in draws], [2.5, 97.5])]


def main() -> None:
    """Prints one line of JSON."""
    data = RecData(MovieLens100K(), TemporalRatio(0.1, 0.2), 6)
    data.prepare()
    count = pl.DataFrame({"item": data.catalog.items["item"], "ratings": data.catalog.popularity[1:]})
    rows = pl.read_parquet(Path(sys.argv[1]) / "predictions.parquet").join(count, on="item", how="left")
    users = [group for _, group in rows.group_by("user", maintain_order=True)]
    generator = np.random.default_rng(0)
    draws = [pl.concat([users[i] for i in generator.integers(0, len(users), len(users))]) for _ in range(1000)]
    for column in ("ratings", "prediction"):
        told = {"score": column, "rows": rows.height, "auc": auc(rows["label"], rows[column])}
        print(json.dumps(told | {"interval": interval(draws, column)}))  # noqa: T201


if __name__ == "__main__":
    main()

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_lightning.studies.study import RowSpec, Study

WriteRun = Callable[..., Path]


def manifest(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "status": "complete",
        "verb": "train",
        "code": {"version": "0.1.0", "commit": "abc1234", "dirty": False},
        "data": {
            "name": "toy",
            "licence": "free for <research>",
            "source": "made up",
            "fingerprint": "f" * 64,
            "users": 400,
            "items": 100,
            "interactions": 9000,
        },
        "seed": 42,
        "packages": {"torch": "2.13.0", "polars": "2.1.0"},
        "hardware": {"processor": "a processor", "cores": 2, "memory_gb": 16.0, "accelerator": None},
        "seconds": {"wall": 75.2, "cpu": 140.0, "first_step": 3.5},
        "peak_memory_mb": 1530.0,
        "parameters": {"trainable": 73_728, "total": 22_713_216},
        "examples_per_second": 1234.5,
        "sessions": 1,
        "started": "2026-11-22T01:00:00+00:00",
        "finished": "2026-11-22T01:01:15+00:00",
    }
    return content | changes


def ranks_of(strength: float, users: int = 400, seed: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Ranks 1..100; the stronger, the more of them near the top."""
    return np.ceil(100 * np.random.default_rng(seed).random(users) ** strength).astype(np.int64).clip(1)


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Writes a run's folder as the front doors do: ranks, a manifest, and metrics that agree."""

    def write(
        folder: Path | str,
        ranks: Sequence[int] | np.ndarray[Any, np.dtype[np.int64]],
        users: Sequence[int] | None = None,
        metrics: dict[str, float] | None = None,
        history: Sequence[tuple[int, str, float]] = (),
        **changes: Any,
    ) -> Path:
        folder = tmp_path / folder
        folder.mkdir(parents=True)
        rank = np.asarray(ranks, dtype=np.int64)
        ids = list(range(len(rank))) if users is None else list(users)
        lists = {"items": [[1, 2]] * len(rank), "scores": [[0.5, 0.25]] * len(rank)}
        target = [100 + user for user in ids]
        pl.DataFrame({"user": ids, "target": target, "rank": rank, **lists}).write_parquet(folder / "rankings.parquet")
        gain = np.where(rank <= 10, 1 / np.log2(rank + 1.0), 0.0)
        logged = {"test/hr@10": float((rank <= 10).mean()), "test/ndcg@10": float(gain.mean())}
        (folder / "metrics.json").write_text(json.dumps(logged if metrics is None else metrics))
        (folder / "manifest.json").write_text(json.dumps(manifest(**changes)))
        if history:
            lines = ["epoch,key,value", *(f"{epoch},{key},{value}" for epoch, key, value in history)]
            (folder / "history.csv").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def study() -> Study:
    rows = (
        RowSpec("Popularity", "baseline", ("baseline=popularity",), 4.0),
        RowSpec("EASE", "baseline", ("baseline=ease",), 6.0),
        RowSpec("SASRec, ids + <text>", "train", ("items=id_text", "trainer.max_epochs=5"), 100.0),
    )
    return Study(
        title="Toys & tests",
        question="Is <text> better?",
        protocol="Leave-one-out, full ranking, seen items excluded.",
        metrics=("hr@10", "ndcg@10"),
        primary="ndcg@10",
        reference="EASE",
        rows=rows,
        fixed=("items", "baseline"),
        resamples=500,
    )


@pytest.fixture
def script() -> Callable[[str], tuple[str, ...]]:
    """A process that runs a line of Python."""
    return lambda code: (sys.executable, "-c", code)

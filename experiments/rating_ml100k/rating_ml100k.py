"""Trains two rows on five random folds and on one split in time; writes results.json and table.md.

python experiments/rating_ml100k/rating_ml100k.py FOLDER    # FOLDER keeps the runs; complete ones are not run again
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rec_lightning.runtime.manifest import code, hardware
from rec_lightning.studies.scored import compare_scored

HERE = Path(__file__).parent
COMMON = (
    "task=rating data=ml_100k items=id tuning=full width=32 max_length=30 backbone=mean_pooling backbone.layers=0 "
    "backbone.dropout=0.0 data.batch_size=1024 data.eval_batch_size=4096 scheduler=warmup_cosine callbacks=none "
    "checkpoint_seconds=1000 logger=[]"
).split()
ROWS = {
    "Biases": ["head=bias", "optimizer.lr=0.03", "trainer.max_epochs=4"],
    "DCN-V2": [
        *("head=dcn head.dropout=0.3 optimizer.weight_decay=0.5 optimizer.lr=4e-3 trainer.max_epochs=6".split()),
        "head.fields.users={gender: category, occupation: category, age: buckets}",
        "head.fields.items={genres: list, year: category}",
    ],
}
# ratings of other folds only are input, as everywhere in the field; in time, all that was said before is
SPLITS = {
    f"fold {fold}": ["data/split=k_fold", f"data.split.fold={fold}", "data.split.validation=0.05", "data.inputs=train"]
    for fold in range(5)
} | {"in time": ["data/split=temporal_ratio", "data.split.validation=0.05", "data.split.test=0.2"]}


def main(folder: Path) -> None:
    """Trains, compares, writes."""
    found: dict[str, dict[str, Any]] = {}
    for split, of_split in SPLITS.items():
        runs = {row: folder / f"{row}-{split}".lower().replace(" ", "-") for row in ROWS}
        for row, run in runs.items():
            line = ["train", *COMMON, *of_split, *ROWS[row], f"run_dir={run}"]
            if not (run / "predictions.parquet").exists():  # a start alone takes seconds
                subprocess.run([sys.executable, "-m", "rec_lightning.cli", *line], check=True)
        change = compare_scored(runs, "rmse", "Biases")["DCN-V2"]
        found[split] = {row: _told(run) for row, run in runs.items()} | {"difference": vars(change.difference)}
    folds = [rows for split, rows in found.items() if split.startswith("fold")]
    table = _table(folds, found["in time"])
    (HERE / "table.md").write_text(table)
    told: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "code": code(), "hardware": hardware()}
    options = {"common": COMMON, "rows": ROWS, "splits": SPLITS}
    (HERE / "results.json").write_text(json.dumps(told | options | {"test": found}, indent=1) + "\n")


def _told(run: Path) -> dict[str, Any]:
    metrics, manifest = (json.loads((run / name).read_text()) for name in ("metrics.json", "manifest.json"))
    values = {key: round(metrics[f"test/{key}"], 5) for key in ("rmse", "mae")}
    return values | {"leaks": manifest["data"]["leaks"], "cpu_seconds": round(manifest["seconds"]["cpu"], 1)}


def _table(folds: list[dict[str, Any]], in_time: dict[str, Any]) -> str:
    lines = ["| row | 5 random folds, LEAKING: RMSE | MAE | in time: RMSE | MAE |", "|---|---|---|---|---|"]
    for row in ROWS:
        rmse, mae = ([fold[row][key] for fold in folds] for key in ("rmse", "mae"))
        own = in_time[row]
        lines.append(
            f"| {row} | {mean(rmse):.4f} (s.d. of folds {stdev(rmse):.4f}) | {mean(mae):.4f} | "
            f"{own['rmse']:.4f} | {own['mae']:.4f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

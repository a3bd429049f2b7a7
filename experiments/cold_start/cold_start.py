"""The runs of the study, cold and warm apart: NDCG@10 of each side, against ids; writes sides.json and sides.md.

python experiments/cold_start/cold_start.py FOLDER    # run_dir of the study, complete
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf

from rec_lightning.contracts import ITEM
from rec_lightning.studies.crossed import crossed_difference, crossed_mean, crossed_test
from rec_lightning.studies.intervals import bootstrap_mean
from rec_lightning.studies.ranked import Ranks
from rec_lightning.studies.reading import load_study
from rec_lightning.studies.significance import holm

HERE = Path(__file__).parent
METRIC = "ndcg@10"
SIDES = ("all", "warm items", "cold items", "warm users", "cold users")


def main(folder: Path) -> None:
    """Reads every run's rankings, compares, writes."""
    study = load_study(HERE / "study.yaml")
    reference = study.reference
    assert reference is not None
    runs = {row.name: [folder / row.slug / f"seed-{seed}" for seed in row.seeds] for row in study.rows}
    complete = {name: [run for run in each if (run / "rankings.parquet").is_file()] for name, each in runs.items()}
    runs = {name: each for name, each in complete.items() if each}
    tables = {name: [_ranks(run) for run in places] for name, places in runs.items()}
    masks = _sides(runs[reference][0], tables[reference][0])
    values = {
        name: np.stack([Ranks.of(table["user"], table["rank"]).by_user(METRIC) for table in each])
        for name, each in tables.items()
    }
    found = {side: _compared(values, mask, reference) for side, mask in masks.items()}
    counts = {side: int(mask.sum()) for side, mask in masks.items()}
    told = {
        "metric": METRIC,
        "reference": reference,
        "targets": counts,
        "seeds": {n: len(v) for n, v in values.items()},
        "sides": found,
    }
    (HERE / "sides.json").write_text(json.dumps(told, indent=1) + "\n")
    (HERE / "sides.md").write_text(_table(found, counts, reference))


def _ranks(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "rankings.parquet", columns=["user", "target", "rank"]).sort("user")


def _sides(run: Path, table: pl.DataFrame) -> dict[str, NDArray[np.bool_]]:
    data: Any = instantiate(OmegaConf.load(run / "config.yaml").data)
    data.prepare()
    known = data.catalog.items.filter(pl.Series(data.catalog.popularity[1:] > 0))[ITEM]
    owner = np.repeat(np.arange(len(data.sequences.users)), np.diff(data.sequences.offsets))
    trained = data.sequences.users.gather(np.unique(owner[data.sequences.role == 0]))
    item = table["target"].is_in(known.implode()).to_numpy()
    user = table["user"].is_in(trained.implode()).to_numpy()
    return dict(zip(SIDES, (np.ones(len(item), bool), item, ~item, user, ~user), strict=True))


def _compared(values: dict[str, NDArray[np.float64]], mask: NDArray[np.bool_], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    p = {}
    theirs = values[reference][:, mask]
    for name, every in values.items():
        own = every[:, mask]
        interval = crossed_mean(own) if len(own) > 1 else bootstrap_mean(own[0])
        found[name] = {"mean": interval.mean, "low": max(0.0, interval.low), "high": interval.high}
        if name != reference:
            found[name]["difference"] = vars(crossed_difference(own, theirs))
            p[name] = crossed_test(own, theirs)
    for name, corrected in zip(p, holm(list(p.values())), strict=True):
        found[name] |= {"p": p[name], "holm": corrected}
    return found


def _table(found: dict[str, Any], counts: dict[str, int], reference: str) -> str:
    lines = [f"| {METRIC.upper()} | " + " | ".join(f"{side} ({counts[side]})" for side in SIDES) + " |"]
    lines.append("|---" * (len(SIDES) + 1) + "|")
    for name in found["all"]:
        cells = []
        for side in SIDES:
            own = found[side][name]
            text = f"{own['mean']:.3f} [{own['low']:.3f}, {own['high']:.3f}]"
            if name != reference:
                change = own["difference"]
                text += f"; {change['mean']:+.3f} [{change['low']:+.3f}, {change['high']:+.3f}], p {own['holm']:.3f}"
            cells.append(text)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

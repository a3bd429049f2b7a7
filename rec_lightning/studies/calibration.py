"""A short run of each row before the study: what a whole one will take, in seconds and memory.

It trains ``STEPS`` steps, validates and ends; the rest is arithmetic: the start, then each epoch's targets at the pace
measured and its validation. Early stopping may end sooner, so it is an upper guess, and the first steps of a process
are its slowest. A row with complete runs in the folder needs none, and a baseline takes about as long as its
calibration would.

Relations: ``forecast`` reads what it left beside the row's runs; ``conduct`` starts it where ``calibrate=true``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rec_lightning.studies.attempt import corners
from rec_lightning.studies.inner import tries
from rec_lightning.studies.job import Job
from rec_lightning.studies.study import RowSpec, Study

STEPS = 30
FOLDER = "calibration"
_SHORT = ("trainer.max_epochs=1", "trainer.check_val_every_n_epoch=1", f"+trainer.limit_train_batches={STEPS}",
          "callbacks=none", "compare=[]", "logger=[]", "test=false")  # fmt: skip


def calibrations(study: Study, known: frozenset[str]) -> Study | None:
    """The study of short runs: the first seed of each row that trains and has none yet; None without such a row.

    Args:
        study: whose rows to measure.
        known: slugs of rows with runs that are complete.
    """
    rows = tuple(_short(row) for row in study.rows if row.verb == "train" and row.slug not in known)
    return replace(study, rows=rows, reference=None) if rows else None


def _short(row: RowSpec) -> RowSpec:
    one = corners(row)[0] if row.sweep else tries(row)[0] if row.tune else row
    return replace(
        one, name=f"{row.name}, calibration", seeds=row.seeds[:1], folder=f"{row.slug}/{FOLDER}", last=_SHORT,
        sweep=None, tune={}, parent=row.name,
    )  # fmt: skip


def estimate(manifest: Mapping[str, Any], config: Mapping[str, str]) -> tuple[float, float]:
    """Seconds and MB of a whole run.

    Args:
        manifest: of the short run.
        config: of the whole one, flat, values as JSON.

    Raises:
        ValueError: its end is no number of epochs.
    """
    took, data = manifest["seconds"], manifest["data"]
    epochs, every = (float(config.get(f"trainer.{key}", 1)) for key in ("max_epochs", "check_val_every_n_epoch"))
    if epochs < 0:
        raise ValueError("trainer.max_steps says the end")
    targets = max(0, data["interactions"] - 2 * data["users"])  # leave-one-out; other splits are near it
    # an epoch's and the final validation were measured, after the first step and the other ones
    validation = max(0.0, took["wall"] - took["first_step"] - took["training"]) / 2
    training = targets / manifest["examples_per_second"]
    seconds = took["first_step"] + epochs * (training + validation / every) + 2 * validation
    return float(seconds), float(manifest["peak_memory_mb"])


def calibrated(row_folder: Path, job: Job) -> tuple[float, float] | None:
    """What the row's short run says of a job; None without one.

    Args:
        row_folder: of the row, below the study's.
        job: of the row, with the identity of its configuration.
    """
    for path in row_folder.glob(f"{FOLDER}/seed-*/manifest.json"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            config = dict(json.loads(job.identity())[1]) if job.identity else {}
            return estimate(manifest, config)
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            continue  # a short run that did not come to its end says nothing
    return None

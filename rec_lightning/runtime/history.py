"""``history.csv``: what validation said after each epoch, as ``epoch,key,value``, whatever the loggers keep.

A search reads it while the run goes on and ends poor tries early; a study draws its learning curves from it. A run
that goes on from a resume point repeats the epochs after it, and their lines are written anew.

Relations: among the callbacks of ``training``; ``rec_lightning.studies`` reads the file.
"""

from __future__ import annotations

import csv
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from rec_lightning.runtime.rundir import RunDir

_HEAD = ("epoch", "key", "value")


class History(Callback):
    """Writes the file at the end of each epoch that validated.

    Args:
        run_dir: of the run.
    """

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds an epoch, counted from 1, in training only."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        values = {key: value.item() for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
        kept = [row for row in _rows(self.run_dir.path / "history.csv") if int(row[0]) < epoch]
        new = [(str(epoch), key, repr(value)) for key, value in sorted(values.items())]
        self.run_dir.write("history.csv", lambda place: _write(place, [_HEAD, *kept, *new]))


def _rows(path: Path) -> list[tuple[str, ...]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def _write(place: Path, rows: list[tuple[str, ...]]) -> None:
    with place.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)

"""Pictures of a multi-task training: how far the tasks' gradients agreed over time, and what its gates let through.

``conflicts.csv`` (step, two tasks, cosine) and ``conflicts.png`` are written when training ends, a ``gates_*.png`` or
``stitches_*.png`` for each set of gates when the test has. A run that goes on from a resume point keeps what it saw.

Relations: ``multitask`` brings it along as a callback.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer

from rec_lightning.contracts import Gates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[int, str, str, float]  # step, two tasks, cosine


class Pictures(Callback):
    """Draws into the run's directory, the trainer's ``default_root_dir``."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes a new look of the task over."""
        seen: Any = pl_module.cosines
        if seen is not None:
            step, found = seen
            for one, two in combinations(range(len(found)), 2):
                if not found[one, two].isnan():
                    names: Any = pl_module.names
                    self.rows.append((step, names[one], names[two], float(found[one, two])))
            pl_module.cosines = None  # type: ignore[assignment]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what was seen of conflicts."""
        if self.rows and trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            folder = Path(trainer.default_root_dir)
            _write(folder / "conflicts.csv", self._save)
            _write(folder / "conflicts.png", partial(conflicts(self.rows).savefig, format="png", dpi=120))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the gates."""
        gates: Any = pl_module.gates
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for name, found in gates.items():
            place = Path(trainer.default_root_dir) / f"{name}.png"
            _write(place, partial(heat(found).savefig, format="png", dpi=120))

    def _save(self, place: Path) -> None:
        with place.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("step", "one", "two", "cosine"))
            rows.writerows(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """What was seen so far."""
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from it."""
        self.rows = [tuple(row) for row in state_dict["rows"]]


def conflicts(rows: list[Row]) -> Figure:
    """A line for each pair of tasks."""
    from matplotlib.figure import Figure  # takes half a second

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for pair in sorted({(one, two) for _, one, two, _ in rows}):
        line = [(step, cosine) for step, *of, cosine in rows if tuple(of) == pair]
        axes.plot(*zip(*line, strict=True), marker=".", label=" and ".join(pair))
    axes.axhline(0, color="#6b7281", linewidth=0.8)
    axes.set(ylim=(-1.05, 1.05), xlabel="step", ylabel="cosine of gradients", title="Below 0 two tasks are in conflict")
    axes.legend(frameon=False)
    return figure


def heat(gates: Gates) -> Figure:
    """A row for each task, a column for each source, numbers inside."""
    from matplotlib.figure import Figure

    rows, columns = len(gates.rows), len(gates.columns)
    figure = Figure(figsize=(2 + 0.9 * columns, 1.4 + 0.5 * rows), layout="constrained")
    axes, weight = figure.subplots(), gates.weight.tolist()
    axes.imshow(weight, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row in range(rows):
        for column in range(columns):
            value = weight[row][column]
            ink = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(columns), gates.columns, rotation=30, ha="right")
    axes.set_yticks(range(rows), gates.rows)
    axes.set_title("Mean weight over the test rows")
    return figure


def _write(place: Path, fill: Callable[[Path], object]) -> None:
    # as a whole or not at all
    scratch = place.with_name(f".{place.name}.{os.getpid()}")
    fill(scratch)
    scratch.replace(place)

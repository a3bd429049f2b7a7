"""One try of a search: its row, its process, its validation so far, and what it cost.

Relations: ``search`` makes them and tells Optuna how they ended.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_lightning.studies.inner import VALIDATION_ONLY
from rec_lightning.studies.job import Job
from rec_lightning.studies.manifest import read_json
from rec_lightning.studies.ranges import COSTS, Value
from rec_lightning.studies.samplers import HEARTBEAT
from rec_lightning.studies.study import RowSpec

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class Attempt:
    """A try that this launcher may run.

    Args:
        memory: Optuna's study.
        trial: its entry there.
        job: that runs it.
        place: folder of its run.
    """

    def __init__(self, memory: optuna.Study, trial: FrozenTrial | optuna.Trial, job: Job, place: Path) -> None:
        from optuna.trial import Trial

        self.memory, self.number, self.job, self.place = memory, trial.number, job, place
        self.live = trial if isinstance(trial, Trial) else Trial(memory, trial._trial_id)
        self._told, self._beat = 0, 0.0

    def report(self, key: str) -> bool:
        """Tells Optuna the epochs that are new; whether there were any."""
        from optuna.exceptions import UpdateFinishedTrialError

        new = [(epoch, value) for epoch, value in epochs(self.place / "history.csv", key) if epoch > self._told]
        for epoch, value in new:
            try:
                self.live.report(value, epoch)
            except UpdateFinishedTrialError:  # another launcher told its end just before
                return False
            self._told = epoch
        return bool(new)

    def beat(self) -> None:
        """A sign of life now and then."""
        if time.monotonic() - self._beat > HEARTBEAT / 2:
            self._beat = time.monotonic()
            sign_of_life(self.live)


def sign_of_life(trial: optuna.Trial) -> None:
    """Says to other launchers that somebody runs this try, where the storage keeps it.

    Args:
        trial: that runs.
    """
    keeps = getattr(trial.study._storage, "record_heartbeat", None)
    if keeps is not None:
        keeps(trial._trial_id)


def trial_row(row: RowSpec, number: int, params: Mapping[str, Value]) -> RowSpec:
    """The row as a try: with these values, its first seed, and no test.

    Args:
        row: with a sweep.
        number: of the try.
        params: by key.
    """
    kept = [override for override in row.overrides if override.partition("=")[0] not in row.searched]
    own = [f"{key}={_text(value)}" for key, value in params.items()]
    return replace(
        row, name=f"{row.name}, try {number}", overrides=(*kept, *own, VALIDATION_ONLY), seeds=row.seeds[:1],
        folder=f"{row.slug}/try-{number}", sweep=None, parent=row.name,
    )  # fmt: skip


def corners(row: RowSpec) -> list[RowSpec]:
    """Both ends of all ranges as tries, to compose them before anything starts.

    Args:
        row: with a sweep.
    """
    assert row.sweep is not None
    return [trial_row(row, number, params) for number, params in enumerate(row.sweep.corners)]


def cost_of(place: Path, cost: str) -> float:
    """What a run took, by its manifest.

    Args:
        place: of a run that has ended well.
        cost: one of ``COSTS``.
    """
    value: Any = read_json(place / "manifest.json")
    for key in COSTS[cost].split("."):
        value = value[key]
    return float(value)


def epochs(path: Path, key: str) -> list[tuple[int, float]]:
    """Epochs and values of a metric in a run's ``history.csv``, as far as it went; the file is replaced as a whole."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [(int(row["epoch"]), float(row["value"])) for row in csv.DictReader(file) if row["key"] == key]


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)

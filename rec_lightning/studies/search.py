"""A search inside a row: tries that Optuna suggests one after another, each a run of its own that ends at validation.

The launcher asks, starts a process, reads what its validation said after each epoch, ends it early where the pruner
says so, and tells the result; the run knows nothing of it. Several launchers share one search by its storage: a try
lies in the folder of its number with a lock on its log, so a try whose launcher was killed is taken up by the next,
in the middle of the epoch, or with half of its values, which then gets the others. One that failed is tried again by
the next start. The same values are not run twice.

Nothing of a try is read but ``val/`` metrics, its cost and its state: a try never goes to the test set. The best one
does, once, when ``conduct`` runs the row with what is chosen here.

Relations: a supply for ``launch``; ``samplers`` holds what is Optuna's own, ``inner`` is the grid without it.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_lightning.studies.aims import direction
from rec_lightning.studies.attempt import Attempt, cost_of, sign_of_life, trial_row
from rec_lightning.studies.inner import validation
from rec_lightning.studies.job import Job, Outcome
from rec_lightning.studies.launch import is_free
from rec_lightning.studies.plan import run_folder
from rec_lightning.studies.ranges import Value
from rec_lightning.studies.samplers import HEARTBEAT, open_search, sampler, suggest
from rec_lightning.studies.store import store_id
from rec_lightning.studies.study import RowSpec

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

MakeJob = Callable[[RowSpec], Job]
_RETRIES = 3  # starts of a study that try the same failed values again


class Search:
    """The tries of one row.

    Args:
        row: with a sweep.
        metric: on validation, as ``ndcg@10``.
        folder: of the study, prepared.
        make_job: the run of a try.
    """

    def __init__(self, row: RowSpec, metric: str, folder: Path, make_job: MakeJob) -> None:
        assert row.sweep is not None
        self.row, self.metric, self.sweep = row, metric, row.sweep
        self._folder, self._make_job, self._place = folder, make_job, store_id(folder)
        self._began, self._mine, self._half = datetime.now(), dict[int, Attempt](), dict[int, float]()

    @cached_property
    def memory(self) -> Any:
        """Optuna's study; its name changes with the row's configuration, the ranges and the aims."""
        job = self._make_job(trial_row(self.row, -1, {}))
        what = [job.identity() if job.identity else "", self.metric, str(self.sweep.cost), repr(self.sweep.ranges)]
        digest = hashlib.sha256("\n".join(what).encode()).hexdigest()[:12]
        return open_search(f"{self.row.slug}-{digest}", self.sweep, self._folder, direction(self.metric) > 0)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All tries of all launchers, in order."""
        found: list[FrozenTrial] = self.memory.get_trials(deepcopy=False)
        return found

    @property
    def done(self) -> bool:
        """Whether all tries have been asked for and have ended, those of other launchers too."""
        trials = self.trials
        running = any(trial.state.name == "RUNNING" for trial in trials)
        return not running and not self._mine and self._left(trials) <= 0

    @property
    def outstanding(self) -> list[Job]:
        """A job of the row for each try that is still to run."""
        ended = sum(trial.state.is_finished() and not self._failed_before(trial) for trial in self.trials)
        return [self._make_job(trial_row(self.row, -1, {}))] * max(0, self.sweep.budget - ended)

    def offer(self, free: int) -> list[Job]:
        """Tries that a killed launcher left, then new ones."""
        with locked(self._folder / f"{self.row.slug}.lock"):
            for trial in self.trials:
                if self._is_half_asked(trial):
                    self.memory.sampler = sampler(self.sweep, trial.number)
                    self._settle(self._try(trial).live)
            tries = [self._try(trial) for trial in self.trials if self._is_left(trial)]
            found = [one for one in tries if is_free(one.job.log)]
            while len(found) < free and self._left(self.trials) > 0:
                if (asked := self._ask()) is not None:
                    found.append(asked)
        self._offered = {id(one.job): one for one in found}
        if not found:
            self._give_up_the_dead()
        return [one.job for one in found]

    def started(self, job: Job) -> None:
        """It is this launcher's."""
        self._mine[id(job)] = self._offered[id(job)]

    def goes_on(self, job: Job) -> bool:
        """Tells what validation said since the last look; False where the pruner ends it."""
        one = self._mine[id(job)]
        one.beat()
        if self.sweep.pruner == "none" or not one.report(f"val/{self.metric}"):
            return True
        return not one.live.should_prune()

    def ended(self, outcome: Outcome) -> None:
        """Tells Optuna the values, or how it ended without any."""
        from optuna.trial import TrialState

        one = self._mine.pop(id(outcome.job))
        values = self._values(one.place) if outcome.code == 0 else None
        if values is not None:
            if self.sweep.pruner != "none":
                one.report(f"val/{self.metric}")  # the others are measured by it
            self._tell(one.number, values)
        elif outcome.stopped:
            self._tell(one.number, None, TrialState.PRUNED)
        else:
            self._tell(one.number, None, TrialState.FAIL)

    def _tell(self, number: int, values: Sequence[float] | None, state: Any = None) -> None:
        self.memory.tell(number, values, state=state, skip_if_finished=True)

    def _values(self, place: Path) -> list[float] | None:
        value = validation(place, self.metric)
        if value is None:
            return None
        return [value] if self.sweep.cost is None else [value, cost_of(place, self.sweep.cost)]

    def _left(self, trials: Sequence[FrozenTrial]) -> int:
        counted = [trial for trial in trials if trial.state.name != "WAITING"]  # which is to be asked for yet
        return self.sweep.budget - sum(not self._failed_before(trial) for trial in counted)

    def _failed_before(self, trial: FrozenTrial) -> bool:
        ended = trial.datetime_complete
        return trial.state.name == "FAIL" and ended is not None and ended < self._began

    def _is_left(self, trial: FrozenTrial) -> bool:
        mine = {one.number for one in self._mine.values()}
        return (
            trial.state.name == "RUNNING" and trial.number not in mine and trial.user_attrs.get("place") == self._place
        )

    def _is_half_asked(self, trial: FrozenTrial) -> bool:
        """Whether who asked for it was killed before it had all its values: its place is the last that it gets."""
        if trial.state.name != "RUNNING" or "place" in trial.user_attrs:
            return False
        # in a storage of this folder nobody asks without its lock; elsewhere it may be in the asking
        seen = self._half.setdefault(trial.number, time.monotonic())
        return not self.sweep.storage or time.monotonic() - seen > 3 * HEARTBEAT

    def _try(self, trial: FrozenTrial | Trial) -> Attempt:
        row = trial_row(self.row, trial.number, trial.params)
        job = self._make_job(row)
        return Attempt(self.memory, trial, job, run_folder(self._folder, row, row.seeds[0]))

    def _ask(self) -> Attempt | None:
        """A new try; None where it has its result already."""
        trials = self.trials
        waits = any(trial.state.name == "WAITING" for trial in trials)  # who put its values there was killed
        if not waits and (point := self._given(trials)) is not None:
            self.memory.enqueue_trial(point)
        self.memory.sampler = sampler(self.sweep, len(trials))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Heartbeat of storage")  # which is given by hand here
            trial = self.memory.ask()
        return self._settle(trial)

    def _settle(self, trial: Trial) -> Attempt | None:
        """Gives a try the values that it lacks; None where they have a result already, which counts for it too."""
        sign_of_life(trial)
        for key, one in self.sweep.ranges.items():
            suggest(trial, key, one)
        ended = [one for one in self.trials if one.state.name in ("COMPLETE", "PRUNED")]
        twin = next((one for one in ended if one.params == trial.params), None)
        if twin is None:
            trial.set_user_attr("place", self._place)
            return self._try(trial)
        trial.set_user_attr("same_as", twin.number)
        complete = twin.state.name == "COMPLETE"
        self._tell(trial.number, twin.values if complete else None, None if complete else twin.state)
        return None

    def _given(self, trials: Sequence[FrozenTrial]) -> Mapping[str, Value] | None:
        """Values that need no sampler: of a try that failed before this start, or the next point of a grid."""
        failed = [trial.params for trial in trials if self._failed_before(trial)]
        others = [trial.params for trial in trials if not self._failed_before(trial)]
        for params in failed:
            if params not in others and failed.count(params) < _RETRIES:
                return params
        if self.sweep.sampler != "grid":
            return None
        return next(point for point in self.sweep.grid if point not in others)

    def _give_up_the_dead(self) -> None:
        """Counts tries in other folders as failed whose launcher gave no sign of life for long; a database knows."""
        import optuna
        from optuna.exceptions import ExperimentalWarning

        if self.sweep.storage and not self._mine:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # as where the storage is opened
                optuna.storages.fail_stale_trials(self.memory)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One launcher at a time; the lock goes with its process."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

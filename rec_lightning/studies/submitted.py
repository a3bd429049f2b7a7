"""Jobs on a SLURM cluster through submitit: those that can start together are one array of jobs.

The launcher waits on a login node and needs no cores. A job that reaches its time limit or is preempted goes back into
the queue and on from its resume point. Where the launcher is killed its jobs stay; the next launcher finds them by the
note beside their log and waits for them, so that nothing runs twice. An interrupt cancels them.

Relations: a place of ``launch``, beside ``processes``. Needs the extra ``slurm``. The folder must lie on a file system
that the nodes share.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_lightning.requeued import Command, notified
from rec_lightning.studies.job import Job

if TYPE_CHECKING:
    import submitit

_GRACE = 30.0  # seconds for a cancelled job to leave
_LOOK = 0.2  # seconds between two looks for a result's file


def slurm(folder: Path, settings: Mapping[str, Any]) -> Submitted:
    """The cluster of this machine.

    Args:
        folder: of the study; what submitit writes lies in ``slurm`` in it.
        settings: of ``sbatch``, as ``partition`` and ``time`` (minutes, or a text as SLURM reads it); and ``signal``,
            USR2 or USR1, as a preemption of this cluster sends it.

    Raises:
        ValueError: no SLURM here, no submitit, no time limit, or an option that is none.
    """
    if shutil.which("sbatch") is None:
        raise ValueError(
            "launch=slurm needs SLURM's sbatch on this machine, got none on the PATH. Start it on a login node of the "
            "cluster, or set launch=local."
        )
    if find_spec("submitit") is None:
        raise ValueError("launch=slurm needs the package submitit, which is not installed. Install "
                         "rec_lightning[slurm], or set launch=local.")  # fmt: skip
    if "time" not in settings:
        raise ValueError("launch=slurm needs launch.time, the minutes that a run may take before it goes back into the "
                         "queue and on from there, got none. Set for example launch.time=240.")  # fmt: skip
    import submitit

    executor = submitit.SlurmExecutor(folder / "slurm", max_num_timeout=100)
    own = {"map_count", "array_parallelism", "job_name", "additional_parameters"}
    known = sorted((type(executor)._valid_parameters() | {"signal"}) - own)
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"launch must have options of sbatch, one of {known}, got {unknown}. Leave them out.")
    given = {key: value for key, value in settings.items() if key != "signal"}
    notice = notified(str(settings.get("signal", "USR2")), given.get("signal_delay_s", 90), given.get("setup", ()))
    executor.update_parameters(job_name=folder.name, stderr_to_stdout=True, **(given | notice))
    return Submitted(executor)


class Submitted:
    """Jobs of a submitit executor.

    Args:
        executor: of SLURM, or one of submitit's for tests.
    """

    pause = 2.0

    def __init__(self, executor: submitit.Executor) -> None:
        self._executor = executor

    def start(self, jobs: Sequence[Job], parallel: int) -> list[SubmittedJob]:
        """Waits for what an earlier launcher left, and submits the others together."""
        found = [self._left(job) for job in jobs]
        new = [job for job, there in zip(jobs, found, strict=True) if there is None]
        if "array_parallelism" in type(self._executor)._valid_parameters():
            self._executor.update_parameters(array_parallelism=parallel)
        submitted = []
        if new:
            with self._executor.batch():
                submitted = [self._executor.submit(Command(job.command, str(job.log.resolve()))) for job in new]
        for job, one in zip(new, submitted, strict=True):
            _note(job).write_text(json.dumps({"id": one.job_id}) + "\n", encoding="utf-8")
        made = iter(submitted)
        return [SubmittedJob(job, there or next(made)) for job, there in zip(jobs, found, strict=True)]

    def _left(self, job: Job) -> submitit.Job[int] | None:
        try:
            number = json.loads(_note(job).read_text(encoding="utf-8"))["id"]
        except (OSError, ValueError, KeyError):
            return None
        left: submitit.Job[int] = self._executor.job_class(self._executor.folder, str(number), tasks=[0])
        return None if left.done(force_check=True) else left


class SubmittedJob:
    """A job that was submitted, now or by an earlier launcher.

    Args:
        job: what it runs.
        submitted: what submitit knows of it.
    """

    def __init__(self, job: Job, submitted: submitit.Job[int]) -> None:
        self._job, self._submitted = job, submitted

    def code(self) -> int | None:
        """Its exit code; None while it waits in the queue or runs."""
        return self._ended() if self._submitted.done() else None

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, or for so long."""
        end = time.monotonic() + seconds
        while not self._submitted.paths.result_pickle.exists() and time.monotonic() < end:
            time.sleep(min(_LOOK, seconds))

    def end(self) -> int:
        """Cancels it where it has not ended."""
        if self._submitted.done():
            return self._ended()
        self._submitted.cancel(check=False)
        end = time.monotonic() + _GRACE
        while not self._submitted.done(force_check=True) and time.monotonic() < end:
            time.sleep(_LOOK)
        return -signal.SIGTERM

    def _ended(self) -> int:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        try:
            return int(self._submitted.result())
        except (UncompletedJobError, FailedJobError) as error:
            with self._job.log.open("a", encoding="utf-8") as log:
                log.write(f"{self._submitted.state}: {str(error).splitlines()[0]}\n")
            return 1


def _note(job: Job) -> Path:
    return job.log.with_suffix(".job")

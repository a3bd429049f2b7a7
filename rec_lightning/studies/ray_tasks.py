"""Jobs as tasks of a Ray cluster, each in a process of its own on the machine that Ray chooses.

The launcher needs no cores; what does not fit waits in Ray's queue. A launcher that ends, however, takes its tasks
along, and what they have done is gone on with by the next one; a task waits until what an earlier launcher left of its
run has ended. A machine that is lost is told as the run's failure.

Relations: a place of ``launch``, beside ``processes`` and ``submitted``; ``ray_cluster`` connects and is what runs on a
machine. Needs the extra ``ray``. The folder must lie on a file system that the machines share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rec_lightning.ray_cluster import CANCELLED, check_room, connect, result_of, surroundings, task_of
from rec_lightning.studies.job import Job

_GRACE = 15.0  # seconds for a cancelled task to end its process
_OPTIONS = ("address", "cpus", "gpus")


def ray_tasks(settings: Mapping[str, str]) -> RayTasks:
    """The cluster of these settings.

    Args:
        settings: ``address`` (``local``), and ``cpus`` (1) and ``gpus`` (0) of a run, as text.

    Raises:
        ValueError: another option, a value out of range, no ray, nobody at the address, or more than the cluster has.
    """
    if unknown := sorted(set(settings) - set(_OPTIONS)):
        raise ValueError(f"launch=ray has the options {list(_OPTIONS)}, got {unknown}. Leave them out.")
    cpus, gpus = _number("cpus", settings.get("cpus", "1")), _number("gpus", settings.get("gpus", "0"))
    connect(settings.get("address", "local").strip("'\""))
    check_room(cpus, gpus)
    return RayTasks(cpus, gpus)


class RayTasks:
    """Tasks of the cluster to which this process is connected.

    Args:
        cpus: processors of a run.
        gpus: of a run; below 1 for a share of one.
    """

    pause = 0.5

    def __init__(self, cpus: float, gpus: float) -> None:
        self._task, self._environment, self._folder = task_of(cpus, gpus), surroundings(cpus), str(Path.cwd())

    def start(self, jobs: Sequence[Job], parallel: int) -> list[RayTask]:
        """One task a job; Ray starts those that fit."""
        return [
            RayTask(job, self._task.remote(job.command, str(job.log.resolve()), self._folder, self._environment))
            for job in jobs
        ]


class RayTask:
    """A job as a task.

    Args:
        job: what it runs.
        reference: of its result.
    """

    def __init__(self, job: Job, reference: Any) -> None:
        self._job, self._reference = job, reference
        self._code: int | None = None

    def code(self) -> int | None:
        """Its exit code; None while it waits in the queue or runs."""
        if self._code is None and self._has_ended(0.0):
            self._code = self._result()
        return self._code

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, or for so long."""
        self._has_ended(seconds)

    def end(self) -> int:
        """Cancels it where it has not ended."""
        import ray

        if (code := self.code()) is not None:
            return code
        for force in (False, True):  # with force its process ends with Ray's own
            ray.cancel(self._reference, force=force)
            if self._has_ended(_GRACE):
                break
        self._code = CANCELLED
        return self._code

    def _has_ended(self, seconds: float) -> bool:
        import ray

        return bool(ray.wait([self._reference], timeout=seconds)[0])

    def _result(self) -> int:
        code, reason = result_of(self._reference)
        if reason:
            with self._job.log.open("a", encoding="utf-8") as log:
                log.write(f"{reason}\n")
        return code


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"launch.{name} must be a number, got {text!r}. Set launch.{name}.") from None

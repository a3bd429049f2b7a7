"""Jobs through submitit, with its executor that runs on this machine in place of SLURM's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.runtime.refusal import Refusal
from rec_lightning.studies.job import Job, Outcome
from rec_lightning.studies.launch import launch
from rec_lightning.studies.launching import place_of
from rec_lightning.study import run

submitit = pytest.importorskip("submitit")

from rec_lightning.requeued import Command  # noqa: E402
from rec_lightning.studies.submitted import Submitted, slurm  # noqa: E402

Script = Callable[[str], tuple[str, ...]]


class Silent:
    def started(self, job: Job) -> None: ...
    def elsewhere(self, job: Job) -> None: ...
    def running(self, job: Job, seconds: float, line: str) -> None: ...
    def ended(self, outcome: Outcome) -> None: ...


def job(folder: Path, name: str, command: tuple[str, ...]) -> Job:
    return Job(name, command, name, folder / f"{name}.log", folder / f"{name}.json")


def local(folder: Path) -> Submitted:
    return Submitted(submitit.LocalExecutor(folder / "submitit"))


def test_jobs_run_fail_and_leave_their_logs(tmp_path: Path, script: Script) -> None:
    jobs = [
        job(tmp_path, "a", script("print('fine')")),
        job(tmp_path, "b", script("import sys; sys.exit('error: planted')")),
    ]
    good, bad = launch(jobs, Silent(), pause=0.05, parallel=2, place=local(tmp_path))
    assert (good.code, good.tail) == (0, ("fine",))
    assert (bad.code, bad.tail) == (1, ("error: planted",))
    assert json.loads((tmp_path / "a.job").read_text())["id"]


def test_those_that_can_start_together_are_one_array(tmp_path: Path, script: Script) -> None:
    sizes = []

    class Counting(submitit.LocalExecutor):  # type: ignore[misc, name-defined]
        def _internal_process_submissions(self, delayed: list[Any]) -> Any:
            sizes.append(len(delayed))
            return super()._internal_process_submissions(delayed)

    place = Submitted(Counting(tmp_path / "submitit"))
    jobs = [job(tmp_path, name, script("print(1)")) for name in "abc"]
    assert [outcome.code for outcome in launch(jobs, Silent(), pause=0.05, parallel=8, place=place)] == [0, 0, 0]
    assert sizes == [3]


LAUNCHER = """
import sys
from pathlib import Path
from tests.studies.test_submitted import Silent, job, launch, local
here = Path(sys.argv[1])
launch([job(here, "a", (sys.executable, "-c", sys.argv[2]))], Silent(), pause=.05, place=local(here))
"""


class Surviving(submitit.LocalExecutor):  # type: ignore[misc, name-defined]
    """Finds a job of an earlier process again, as SLURM's does."""

    class job_class(submitit.LocalJob):  # type: ignore[misc, name-defined]  # noqa: N801
        def done(self, force_check: bool = False) -> bool:
            return self.paths.result_pickle.exists() or not Path(f"/proc/{self.job_id}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes under /proc")
def test_what_a_killed_launcher_left_is_waited_for_and_does_not_run_twice(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    code = f"import time; open({str(marks)!r}, 'a').write('x'); time.sleep(2); print('once')"
    root = Path(__file__).parents[2]
    first = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path), code], cwd=root)
    end = time.monotonic() + 30
    while not (marks.exists() and (tmp_path / "a.job").exists()):
        assert time.monotonic() < end
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    place = Submitted(Surviving(tmp_path / "submitit"))
    again = job(tmp_path, "a", (sys.executable, "-c", code))
    (outcome,) = launch([again], Silent(), pause=0.05, place=place)
    assert (outcome.code, marks.read_text()) == (0, "x")


def test_an_interrupt_cancels(tmp_path: Path, script: Script) -> None:
    class Interrupting(Silent):
        def running(self, job: Job, seconds: float, line: str) -> None:
            if line:
                raise KeyboardInterrupt

    sleeper = job(tmp_path, "a", script("import os, time; print(os.getpid(), flush=True); time.sleep(60)"))
    with pytest.raises(KeyboardInterrupt):
        launch([sleeper], Interrupting(), pause=0.05, place=local(tmp_path))
    pid = int((tmp_path / "a.log").read_text().splitlines()[1])
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.05)


def test_at_the_time_limit_the_same_command_goes_back_into_the_queue(tmp_path: Path, script: Script) -> None:
    command = Command(script("print(1)"), str(tmp_path / "log"))
    assert command() == 0
    again = command.checkpoint()
    assert (again.function.command, again.function.log) == (command.command, command.log)


def test_without_slurm_it_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refusal, match=r"launch=slurm needs SLURM's sbatch on this machine, got none on the PATH"):
        run(["demo", "data=synthetic", "launch=slurm", "launch.partition=gpu", f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def with_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun"):
        (folder / name).write_text('#!/bin/sh\ncat "$1" > "$SUBMITTED"\necho Submitted batch job 7\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(folder / "submitted"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"needs launch\.time, the minutes that a run may take"),
        ({"time": 5, "partitoin": "x"}, r"one of \[.*'partition'.*\], got \['partitoin'\]"),
        ({"time": 5, "signal": "TERM"}, r"launch\.signal must be one of \['USR2', 'USR1'\], got 'TERM'"),
    ],
)
def test_options_of_slurm(
    settings: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_sbatch(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=message):
        slurm(tmp_path, settings)


def test_what_slurm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    with_sbatch(tmp_path, monkeypatch)
    place = slurm(tmp_path / "study", {"time": 60, "partition": "gpu", "gpus_per_node": 1, "signal": "USR1"})
    jobs = [job(tmp_path, name, script("print(1)")) for name in "ab"]
    for one in jobs:
        one.log.touch()
    place.start(jobs, parallel=3)
    told = (tmp_path / "submitted").read_text()
    for line in (
        "--partition=gpu",
        "--time=60",
        "--gpus-per-node=1",
        "--array=0-1%2",
        "--job-name=study",
        "--signal=USR1@90",
    ):
        assert f"#SBATCH {line}" in told
    assert json.loads((tmp_path / "b.job").read_text()) == {"id": "7_1"}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("kubernetes", {}, r"launch must be one of \['local', 'slurm'.*\], got 'kubernetes'"),
        ("local", {"partition": "x"}, r"launch=local has no options, got \['partition'\]"),
    ],
)
def test_places_that_are_none(name: str, settings: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        place_of(name, settings, tmp_path)

"""A training as a job of a SLURM cluster through submitit: a process for each device of each node.

At its time limit, and when it is preempted with a notice (``launch.signal``), the job goes back into the queue
and on from its resume point. What it writes lies in ``<run_dir>/slurm``: the configuration, a log of each process, and
submitit's own files; so the folder must lie on a file system that the nodes share. The same line again waits for a
job that still runs. ``Ctrl-C`` leaves the job alone.

Relations: ``studies`` start their rows as arrays of jobs; ``requeued`` is what runs on a node.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_lightning.requeued import Command, notified

if TYPE_CHECKING:
    import submitit

_PAUSE = 2.0  # seconds between two looks at the job
_KILLED = "ended by SIGKILL"
_TRIES = 5  # looks that may go without an answer
_ALIVE = "PENDING CONFIGURING RUNNING COMPLETING SUSPENDED REQUEUED REQUEUE_HOLD RESIZING STOPPED SIGNALING".split()


class Slurm:
    """Submits a training and waits for it.

    Args:
        time: until the job goes back into the queue: minutes, or a text as SLURM reads it (1-12:00:00).
        nodes: machines.
        gpus: on each machine.
        cpus: for each process.
        memory_gb: of a machine; None for the cluster's default.
        partition: of the cluster; None for its default, as for the three below.
        account: that pays.
        qos: quality of service.
        constraint: features of the machines.
        setup: lines of shell before the processes start.
        scratch: folder on each machine for temporary files.
        requeues: times that the job goes back into the queue at most.
        notice: seconds before the time limit at which it stops.
        signal: USR2 or USR1, as a preemption of this cluster sends it; the notice is the same one.
        wait: for the end; else only submits.

    Raises:
        ValueError: no SLURM here, no submitit, or a value out of range.
    """

    def __init__(
        self,
        time: int | str,
        nodes: int = 1,
        gpus: int = 0,
        cpus: int = 1,
        memory_gb: float | None = None,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        setup: Sequence[str] = (),
        scratch: str | None = None,
        requeues: int = 100,
        notice: int = 90,
        signal: str = "USR2",
        wait: bool = True,
    ) -> None:
        if shutil.which("sbatch") is None:
            raise ValueError(
                "launch=slurm needs SLURM's sbatch on this machine, got none on the PATH. Start it on a login node of "
                "the cluster, or set launch=local."
            )
        if find_spec("submitit") is None:
            raise ValueError(
                "launch=slurm needs the package submitit, which is not installed. Install rec_lightning[slurm], or "
                "set launch=local."
            )
        for name, value in (("time", time), ("nodes", nodes), ("cpus", cpus), ("notice", notice)):
            if isinstance(value, int) and value < 1:
                raise ValueError(f"launch.{name} must be at least 1, got {value}. Set launch.{name}.")
        self.nodes, self.wait, self.requeues, self.elsewhere = nodes, wait, requeues, wait
        lines = [*setup, *([f"mkdir -p {scratch}; export TMPDIR={scratch}"] if scratch else [])]
        given: dict[str, Any] = {"partition": partition, "account": account, "qos": qos, "constraint": constraint}
        given |= {"mem": f"{memory_gb}GB" if memory_gb else None, "gpus_per_node": gpus or None}
        self.settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        self.settings |= {"time": time, "nodes": nodes, "cpus_per_task": cpus}
        self._notified = notified(signal, notice, lines)

    def starts(self, processes: int) -> bool:
        """Always: the job runs elsewhere."""
        return True

    def __call__(self, work: Callable[[str], int], text: str, processes: int, run_dir: str) -> int:
        """Submits the job, or finds the one that runs; gives the exit code, 0 where it shall not wait."""
        import submitit

        folder = (Path(run_dir).expanduser() / "slurm").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        executor = submitit.SlurmExecutor(folder, max_num_timeout=self.requeues)
        executor.update_parameters(
            job_name=folder.parent.name,
            ntasks_per_node=processes,
            stderr_to_stdout=True,
            srun_args=["--kill-on-bad-exit=1"],
            setup=self._notified["setup"],
            additional_parameters=self._notified["additional_parameters"] | {"requeue": True},
            **self.settings,
        )
        number = _running(folder) or self._submit(executor, folder, text)
        print(f"SLURM job {number}; log: {folder}/rank-0.log", file=sys.stderr, flush=True)
        if not self.wait:
            return 0
        while (state := state_of(number)) in _ALIVE:
            time.sleep(_PAUSE)
        return 0 if state == "COMPLETED" else _failed(number, state, folder)

    def _submit(self, executor: submitit.Executor, folder: Path, text: str) -> str:
        config, told = folder / "config.yaml", folder / "told"
        config.write_text(text, encoding="utf-8")
        for old in folder.glob("told*"):
            old.unlink()
        for log in folder.glob("rank-*.log"):
            with log.open("a", encoding="utf-8") as file:
                file.write("submitted again\n")
        command = (sys.executable, "-m", "rec_lightning.worker", str(config), str(told))
        job = executor.submit(Command(command, str(folder / "rank-{rank}.log"), strict=True))
        (folder / "job.json").write_text(json.dumps({"id": job.job_id}) + "\n", encoding="utf-8")
        return str(job.job_id)


def state_of(number: str) -> str:
    """What the controller says of a job, in SLURM's words; empty where it knows none."""
    asked = ["scontrol", "show", "job", "--oneliner", number]
    for _ in range(_TRIES):
        said = subprocess.run(asked, capture_output=True, text=True)
        if found := re.search(r"JobState=(\w+)", said.stdout):
            return found[1]
        if "Invalid job id" in said.stderr:
            break
        time.sleep(_PAUSE)  # a controller that is busy or starts anew
    return ""


def _running(folder: Path) -> str | None:
    note = folder / "job.json"
    if not note.is_file():
        return None
    number = str(json.loads(note.read_text(encoding="utf-8"))["id"])
    return number if state_of(number) in _ALIVE else None


def _failed(number: str, state: str, folder: Path) -> int:
    # a process that was killed could not tell, and what the others tell is a consequence
    for log in sorted(folder.glob("rank-*.log")):
        if (last := log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]) == _KILLED:
            print(
                f"error: process {log.stem.partition('-')[2]} of SLURM job {number} {last}. See {log}.", file=sys.stderr
            )
            return 1
    told = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("told*"))]
    print(told[-1] if told else f"error: SLURM job {number} is {state or 'unknown'}. See {folder}.", file=sys.stderr)
    return 2 if told and told[-1].startswith("error:") else 1

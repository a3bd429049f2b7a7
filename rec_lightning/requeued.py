"""A command as a task of a submitit job: at the time limit and by a preemption it goes back into the queue.

Relations: jobs of ``studies`` and the processes of a training (``runtime/launches/slurm``) run so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import submitit


SIGNALS = ("USR2", "USR1")  # NCCL may take USR1 for itself


def notified(by: str, seconds: int, setup: Sequence[str] = ()) -> dict[str, Any]:
    """Options of submitit's executor for a job that a signal tells of its end.

    Args:
        by: one of ``SIGNALS``: at the time limit, and what a preemption of this cluster sends.
        seconds: before the time limit.
        setup: lines of shell before the processes start.

    Raises:
        ValueError: another signal.

    Example:
        >>> notified("USR1", 90)["additional_parameters"]
        {'signal': 'USR1@90'}
    """
    if by not in SIGNALS:
        raise ValueError(f"launch.signal must be one of {list(SIGNALS)}, got {by!r}. Set launch.signal.")
    # submitit reads the variable when it is imported, here and in the job
    lines = [*setup, f"export SUBMITIT_PREEMPT_SIGNAL={by}"]
    return {"setup": lines, "additional_parameters": {"signal": f"{by}@{seconds}"}}


class Command:
    """What runs on a node: a command with its output at the end of the log; its exit code is the result.

    Args:
        command: program and arguments.
        log: path of the log; ``{rank}`` in it stands for the number of the process in the job.
        strict: whether another code than 0 is an error, which ends the other processes of the job.
    """

    def __init__(self, command: Sequence[str], log: str, strict: bool = False) -> None:
        self.command, self.log, self.strict = tuple(command), log, strict
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        with Path(self.log.format(rank=os.environ.get("SLURM_PROCID", "0"))).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rec_lightning.studies.tether", str(os.getpid()), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            code = self._process.wait()
            if code < 0:
                log.write(f"ended by {signal.Signals(-code).name}\n".encode())
        if code and self.strict:
            raise ChildProcessError(f"process {os.environ.get('SLURM_PROCID', '0')} ended with {code}")
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Called at the time limit and by a preemption: the same command again, which goes on where it was."""
        from submitit.helpers import DelayedSubmission

        # one of several processes goes on until the cluster ends them all: the others would take its end for a failure
        if self._process is not None and not self.strict:
            self._process.kill()
            self._process.wait()
        return DelayedSubmission(Command(self.command, self.log, self.strict))

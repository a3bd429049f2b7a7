"""``python -m rec_lightning.studies.tether PARENT COMMAND...`` becomes the command, bound to its parent's life.

On Linux the kernel kills the command when its launcher dies, even by SIGKILL, so that no row trains on unseen and
meets the next launcher in its folder. A run may be killed at any moment and resumes. Elsewhere this only runs the
command. It replaces a ``preexec_fn``, which is unsafe beside the threads of a live table.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Binds this process to the parent named by the first argument, then becomes the rest."""
    parent, *command = arguments
    for name in (signal.SIGUSR1, signal.SIGUSR2):  # a cluster's notice to the parent, which reaches every process
        signal.signal(name, signal.SIG_IGN)  # survives exec
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # survives exec
        if os.getppid() != int(parent):  # the launcher died before the binding
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

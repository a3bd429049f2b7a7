"""The processes of a training on this machine; one runs where it is, several are started.

Relations: ``torchrun`` starts them anew when one fails; ``slurm`` asks a cluster for them.
"""

from __future__ import annotations

from collections.abc import Callable

from rec_lightning.runtime.starting import start


class Local:
    """Starts what needs starting.

    Args:
        nodes: machines, of which only this one can be started from here.

    Raises:
        ValueError: more than one machine.
    """

    elsewhere = False

    def __init__(self, nodes: int = 1) -> None:
        if nodes != 1:
            raise ValueError(
                f"launch=local starts processes of this machine alone, got launch.nodes={nodes}. Set launch=torchrun "
                "or launch=slurm, or start the processes by srun or torchrun yourself with trainer.num_nodes."
            )
        self.nodes = nodes

    def starts(self, processes: int) -> bool:
        """Whether others than this process are needed."""
        return processes > 1

    def __call__(self, work: Callable[[str], int], text: str, processes: int, run_dir: str) -> int:
        """Runs ``work(text)`` in each process; gives the exit code."""
        return start(work, text, processes)

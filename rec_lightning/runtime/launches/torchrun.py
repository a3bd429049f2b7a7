"""Processes by torchrun's engine that are started anew when one fails, and go on from the last resume point.

On several machines the same line starts on each, with one endpoint and one run directory that all of them share.

Relations: ``local`` ends where one fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rec_lightning.runtime.starting import start


class Torchrun:
    """Elastic processes.

    Args:
        nodes: machines.
        restarts: times that all processes start anew.
        endpoint: ``HOST:PORT`` on one of the machines, where there are several.

    Raises:
        ValueError: a value out of range, or no endpoint for several machines.
    """

    elsewhere = False

    def __init__(self, nodes: int = 1, restarts: int = 3, endpoint: str | None = None) -> None:
        if nodes < 1 or restarts < 0:
            raise ValueError(
                f"launch.nodes must be at least 1 and launch.restarts at least 0, got {nodes} and {restarts}. Set them."
            )
        if nodes > 1 and not re.fullmatch(r"\S+:\d+", endpoint or ""):
            raise ValueError(
                f"launch=torchrun on {nodes} machines needs launch.endpoint=HOST:PORT, the same on each, got "
                f"{endpoint}. Set launch.endpoint."
            )
        self.nodes, self.restarts, self.endpoint = nodes, restarts, endpoint

    def starts(self, processes: int) -> bool:
        """Always: what is not started from here is not started anew."""
        return True

    def __call__(self, work: Callable[[str], int], text: str, processes: int, run_dir: str) -> int:
        """Runs ``work(text)`` in each process; gives the exit code."""
        return start(work, text, processes, self.restarts, self.nodes, self.endpoint)

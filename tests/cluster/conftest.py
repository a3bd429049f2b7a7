"""A two-node SLURM on the loopback of a network namespace of its own: nothing listens outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lacking() -> str:
    """What is missing for it; empty where nothing is."""
    programs = [name for name in ("slurmctld", "slurmd", "munged", "sbatch", "unshare", "nsenter") if not which(name)]
    if programs:
        return f"no {', '.join(programs)} here (apt-get install slurm-wlm munge util-linux)"
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        return "a network namespace needs root"
    return "" if find_spec("submitit") else "no submitit here (extra slurm)"


def which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Cluster:
    """Runs commands beside the cluster.

    Args:
        folder: of its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        env = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
        self._holder = subprocess.Popen(
            ["unshare", "-n", Path(__file__).parent / "start.sh", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n", (folder / "slurmctld.log").read_text()
        own = {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.env = env | own | {"REC_CACHE": str(folder / "cache")}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Starts a command inside."""
        inside = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *command]
        return subprocess.Popen(
            inside, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def rec(self, *words: str) -> subprocess.Popen[str]:
        """Starts the project's program inside."""
        return self.start(sys.executable, "-m", "rec_lightning.cli", *words)

    def run(self, *command: str) -> str:
        """What a command prints."""
        said, _ = self.start(*command).communicate(timeout=60)
        return said

    def close(self) -> None:
        """Ends all of it."""
        try:
            self._holder.communicate("", timeout=60)
        finally:
            self._holder.kill()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, or a skip with the reason."""
    if reason := lacking():
        pytest.skip(reason)
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()

"""What has to be known of a run to trust and repeat it: code, data, seeds, versions, hardware, cost."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from rec_lightning import __version__
from rec_lightning.data.facts import Facts

_PACKAGES = (
    "torch lightning transformers tokenizers peft hydra-core omegaconf wandb torchmetrics numpy scipy polars "
    "safetensors"
).split()


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def code() -> dict[str, Any]:
    """Version, commit (empty outside a checkout) and whether the checkout had changes."""
    root = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    # an installed copy may lie inside somebody else's repository
    own = (root / "pyproject.toml").exists()
    try:
        commit = git("rev-parse", "HEAD") if own else ""
        dirty = bool(own and git("status", "--porcelain", "--untracked-files=no"))
    except FileNotFoundError:  # no git on this machine
        commit, dirty = "", False
    return {"version": __version__, "commit": commit, "dirty": dirty}


def describe(verb: str, seed: int, facts: Facts) -> dict[str, Any]:
    """What is known of a run before it starts; in the order of the manifest."""
    return {
        "status": "running",
        "verb": verb,
        "code": code(),
        "data": asdict(facts),
        "seed": seed,
        "packages": packages(),
        "hardware": hardware(),
        "processes": dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1,
    }


def check_data(earlier: Mapping[str, Any], facts: Facts) -> None:
    """Compares the data of an earlier start of the same run with those of now.

    Args:
        earlier: the run's manifest; empty where there is none.
        facts: of the data as they were read now.

    Raises:
        ValueError: their content differs.
    """
    there = earlier.get("data", {}).get("fingerprint", facts.fingerprint)
    if there != facts.fingerprint:
        raise ValueError(
            f"the run was started on other data: {facts.name} had the fingerprint {there[:16]} there and has "
            f"{facts.fingerprint[:16]} now. Give it the same data, or choose another run_dir."
        )


def packages() -> dict[str, str]:
    """Installed versions of what decides results."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def hardware() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GB, accelerator."""
    info = Path("/proc/cpuinfo")
    names = [x for x in (info.read_text().splitlines() if info.exists() else []) if x.startswith("model name")]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, plus the largest allocation on its accelerator."""
    device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return round((_peak_resident() + device) / 2**20, 1)


def _peak_resident() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # rusage would count the parent's memory at the fork as this process's own
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_seconds() -> float:
    """Processor time of this process and of its ended children."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def process_start() -> float:
    """Unix time at which this process was started, imports included; the time of the first call elsewhere."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return datetime.now().timestamp() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except OSError:
        return datetime.now().timestamp()


def one_session() -> dict[str, Any]:
    """What a run without training steps has cost until now, from the start of this process."""
    return {
        "seconds": {"wall": time.time() - process_start(), "cpu": cpu_seconds(), "first_step": None},
        "peak_memory_mb": peak_memory_mb(),
        "examples_per_second": None,
        "sessions": 1,
        "finished": now(),
    }

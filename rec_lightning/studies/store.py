"""Which runs of a study are there already: plain files, one folder a run, found again by what they were run with.

A run is kept when it is complete and was run with the same resolved configuration, but for options that its parts have
got since and that are at their defaults; the study's ``code`` may ask for the same version or commit too. What was run
with another configuration is moved aside and run again. Data enter by their fingerprint: ``stale`` names kept runs
whose data are not those that new runs read.

Relations: ``launch`` asks just before it would start a process, with the run's lock held; ``rows`` reads the files.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

VERSION = 1
NEEDED = ("manifest.json", "metrics.json", "config.yaml")
TESTED = ("rankings.parquet",)  # besides, where the run went to the test set
# says where a run lies, what is told of it and how far it goes, not what it computes
_NOT_COMPARED = ("run_dir", "logger", "test")

# a verb and its overrides -> the resolved configuration
Resolver = Callable[[str, Sequence[str]], Mapping[str, Any]]


def open_store(folder: Path) -> None:
    """Marks a study's folder with the version of its layout.

    Raises:
        ValueError: it has another version's layout.
    """
    place = folder / "store.json"
    if place.is_file():
        try:
            there = json.loads(place.read_text(encoding="utf-8"))
        except ValueError:
            there = {}
        version = there.get("version")
        if version != VERSION:
            raise ValueError(
                f"the study's folder must have a store of version {VERSION}, got {version} in {folder}. "
                "Choose another run_dir, or use the rec_lightning that wrote it."
            )
        if "id" in there:
            return
    place.write_text(json.dumps({"version": VERSION, "id": uuid4().hex}) + "\n", encoding="utf-8")


def store_id(folder: Path) -> str:
    """Tells a study's folder from those of other machines, wherever it is mounted; it was opened before."""
    return str(json.loads((folder / "store.json").read_text(encoding="utf-8"))["id"])


def keep(run: Path, config: Mapping[str, Any], policy: str = "any") -> bool:
    """Whether a run needs nothing; one of another configuration or code is moved aside.

    Args:
        run: its folder, which may not exist.
        config: resolved, with which it would run now.
        policy: ``any`` code, or the same ``version`` or ``commit``.
    """
    there = _read_config(run / "config.yaml")
    if there is None or not (run / "manifest.json").is_file():
        return False  # nothing yet, or refused before it was bound to a configuration
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    if not _same(there, config) or not _same_code(manifest.get("code", {}), policy):
        move_aside(run)
        return False
    tested = manifest.get("status") == "complete"
    if not tested and (config.get("test", True) or manifest.get("status") != "validated"):
        return False
    return all((run / name).is_file() for name in (*NEEDED, *(TESTED if tested else ())))


def _same(there: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    old, new = flat(there), flat(config)
    if not old.items() <= new.items():
        return False
    further = new.keys() - old.keys()
    if not further:
        return True
    from rec_lightning.later_options import later_options  # imports the parts

    return further <= later_options(there, config)


def flat(config: Mapping[str, Any]) -> dict[str, str]:
    """What a configuration computes: ``a.b.c`` -> value as JSON, without where it lies and what is logged.

    Example:
        >>> flat({"run_dir": "x", "data": {"size": 3}, "top_k": [1, 5]})
        {'data.size': '3', 'top_k': '[1, 5]'}
    """
    found: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):  # an empty one is a group left out, as in a run of before there was the group
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            found[prefix] = json.dumps(value, sort_keys=True, default=str)

    walk("", {key: value for key, value in config.items() if key not in _NOT_COMPARED})
    return found


def stale(kept: Iterable[tuple[Path, int]], new: Iterable[tuple[Path, int]]) -> list[Path]:
    """Kept runs whose data are not those that a new run of the same seed read; they are moved aside.

    Args:
        kept: folder and seed of runs that were there already.
        new: folder and seed of runs that ran now.
    """
    prints: dict[int, set[str]] = {}
    for run, seed in new:
        prints.setdefault(seed, set()).add(_fingerprint(run))
    old = [run for run, seed in kept if seed in prints and _fingerprint(run) not in prints[seed]]
    for run in old:
        move_aside(run)
    return old


def _fingerprint(run: Path) -> str:
    try:
        return str(json.loads((run / "manifest.json").read_text(encoding="utf-8"))["data"]["fingerprint"])
    except (OSError, KeyError, ValueError):
        return ""


def _read_config(path: Path) -> Mapping[str, Any] | None:
    import yaml  # the front door stays light
    from omegaconf import OmegaConf

    if not path.is_file():
        return None
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except yaml.YAMLError:
        return {}  # equal to no configuration
    return cast(Mapping[str, Any], content) if isinstance(content, Mapping) else None


def _same_code(code: Mapping[str, Any], policy: str) -> bool:
    if policy == "any":
        return True
    from rec_lightning import __version__

    if policy == "version":
        return bool(code.get("version") == __version__)
    commit = _commit()
    return bool(commit) and code.get("commit") == commit and not code.get("dirty")


@cache
def _commit() -> str:
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():  # an installed copy may lie inside somebody else's repository
        return ""
    try:
        done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def move_aside(run: Path) -> None:
    """Gives a run that is no longer true another name beside its place, so that nothing is lost.

    Args:
        run: its folder.
    """
    number = 1
    while (place := run.with_name(f"{run.name}.replaced-{number}")).exists():
        number += 1
    run.rename(place)

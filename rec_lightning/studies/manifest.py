"""What a run says about itself in ``manifest.json``, as typed values.

Relations: written by the runs' front doors, read by ``rows``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DataFacts:
    """Which data a run read."""

    name: str
    licence: str
    source: str
    fingerprint: str
    users: int
    items: int
    interactions: int


@dataclass(frozen=True)
class Manifest:
    """What a table and a report need of a manifest.

    Args:
        verb: ``train`` or ``baseline``.
        version: of rec_lightning.
        commit: of the code; empty when it was not under version control.
        dirty: whether the code differed from that commit.
        data: which data were read.
        seed: of the run.
        packages: versions by name.
        hardware: description by name, as ``processor``.
        wall: seconds on the clock.
        cpu: seconds of all processors.
        first_step: seconds from the start to the end of the first training step; None for a baseline.
        peak_memory_mb: largest resident memory of the run's process.
        trainable: number of parameters that trained.
        total: number of all parameters.
        examples_per_second: in training; None for a baseline.
        sessions: how many processes it took, 1 when the run was never interrupted.
        raw: the whole content, for the record.
    """

    verb: str
    version: str
    commit: str
    dirty: bool
    data: DataFacts
    seed: int
    packages: Mapping[str, str]
    hardware: Mapping[str, Any]
    wall: float
    cpu: float
    first_step: float | None
    peak_memory_mb: float
    trainable: int
    total: int
    examples_per_second: float | None
    sessions: int
    raw: Mapping[str, Any]

    @property
    def share(self) -> float | None:
        """Trainable parameters as a share of all; None for a model without parameters."""
        return self.trainable / self.total if self.total else None


def read_manifest(path: Path) -> Manifest:
    """Reads a complete run's manifest.

    Raises:
        ValueError: no such file, not JSON, a run that is not complete, or a key that is missing.
    """
    raw = read_json(path)
    status = _take(raw, "status", path)
    if status != "complete":
        raise ValueError(f"{path}: a row needs a complete run, got status {status!r}. Run it to its end.")
    facts = {name: _take(raw, f"data.{name}", path) for name in DataFacts.__dataclass_fields__}
    return Manifest(
        verb=str(_take(raw, "verb", path)),
        version=str(_take(raw, "code.version", path)),
        commit=str(_take(raw, "code.commit", path) or ""),
        dirty=bool(_take(raw, "code.dirty", path)),
        data=DataFacts(**facts),
        seed=int(_take(raw, "seed", path)),
        packages=dict(_take(raw, "packages", path)),
        hardware=dict(_take(raw, "hardware", path)),
        wall=float(_take(raw, "seconds.wall", path)),
        cpu=float(_take(raw, "seconds.cpu", path)),
        first_step=_optional(_take(raw, "seconds.first_step", path)),
        peak_memory_mb=float(_take(raw, "peak_memory_mb", path)),
        trainable=int(_take(raw, "parameters.trainable", path)),
        total=int(_take(raw, "parameters.total", path)),
        examples_per_second=_optional(_take(raw, "examples_per_second", path)),
        sessions=int(_take(raw, "sessions", path)),
        raw=raw,
    )


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a run's folder.

    Raises:
        ValueError: no such file, or no JSON object inside.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent}: a complete run holds {path.name}, got none. Run it again.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: must be JSON, got {error}. Delete the folder and run it again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold a JSON object, got {type(content).__name__}. Run it again.")
    return content


def read_energy(folder: Path) -> dict[str, float]:
    """What the callback ``energy`` left: ``kwh`` and ``kg_co2e``; empty without it."""
    path = folder / "energy.json"
    if not path.is_file():
        return {}
    told = read_json(path)
    return {key: float(told[key]) for key in ("kwh", "kg_co2e")}


def _take(raw: Mapping[str, Any], dotted: str, path: Path) -> Any:
    value: Any = raw
    for key in dotted.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise ValueError(f"{path}: must say {dotted}, got no such key. Delete the folder and run it again.")
        value = value[key]
    return value


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)

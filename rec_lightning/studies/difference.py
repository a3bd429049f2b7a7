"""What differs between two runs: configuration, code, data, packages, hardware, cost and result.

Relations: reads the folders that ``train`` and ``baseline`` leave; ``store`` says what of a configuration counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rec_lightning.studies.manifest import read_json

NOTHING = "(none)"
_PARTS = ("code", "data", "packages", "hardware", "parameters")
_COSTS = ("seconds", "peak_memory_mb", "examples_per_second", "sessions")


@dataclass(frozen=True)
class Change:
    """A value that differs.

    Args:
        part: ``configuration``, ``code``, ``data``, ``packages``, ``hardware``, ``parameters``, ``cost`` or ``result``.
        key: inside the part.
        first: of the first run, ``(none)`` where it has no such key.
        second: of the second run.
    """

    part: str
    key: str
    first: str
    second: str


def changes(first: Path, second: Path) -> list[Change]:
    """All differences, part by part.

    Args:
        first: folder of a run.
        second: folder of another.

    Raises:
        ValueError: a folder without a run.
    """
    one, other = (_parts(folder) for folder in (first, second))
    found = []
    for part in one:
        for key in sorted({*one[part], *other[part]}):
            a, b = one[part].get(key, NOTHING), other[part].get(key, NOTHING)
            if a != b:
                found.append(Change(part, key, a, b))
    return found


def _parts(folder: Path) -> dict[str, dict[str, str]]:
    from omegaconf import OmegaConf  # the front door stays light

    from rec_lightning.studies.store import flat

    manifest = read_json(folder / "manifest.json")
    config = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml")) if _has(folder, "config.yaml") else {}
    metrics = read_json(folder / "metrics.json") if _has(folder, "metrics.json") else {}
    assert isinstance(config, dict)
    verb = {"verb": json.dumps(manifest.get("verb"))}
    return {
        "configuration": verb | flat({str(key): value for key, value in config.items()}),
        **{part: _plain(manifest.get(part, {})) for part in _PARTS},
        "result": _plain(metrics),
        "cost": _plain({key: manifest.get(key) for key in _COSTS}),
    }


def _plain(content: Mapping[str, Any]) -> dict[str, str]:
    from rec_lightning.studies.store import flat

    return {key: text.strip('"') for key, text in flat(content).items()}


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()

"""The directory of a run: claimed by one process at a time, bound to one configuration, written file by file.

A run leaves ``config.yaml``, ``manifest.json``, ``metrics.json``, ``baselines.json`` (beside a trained model),
``rankings.parquet`` (``predictions.parquet`` where labels were scored), ``checkpoints/`` and what its loggers write.
Every file is written beside its place and renamed, so that a kill leaves the old one or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from rec_lightning.later_options import later_options

# says where a run lies, what is told of it, how far it goes and on what, not what it computes
_NOT_COMPARED = ("run_dir", "logger", "test", "strategy", "launch")
_NOT_COMPARED_OF_TRAINER = ("trainer.accelerator", "trainer.devices", "trainer.num_nodes")


class RunDir:
    """Opens, or makes, the directory of a run.

    Args:
        path: of the directory.
        config: the resolved configuration; an existing run must have the same one.

    Raises:
        ValueError: it belongs to another configuration or is in use.
        OSError: it cannot be written.
    """

    def __init__(self, path: str, config: DictConfig) -> None:
        self.path = Path(path).expanduser()
        self._lock: int | None = None
        if rank_zero_only.rank != 0:  # type: ignore[attr-defined]  # a further process of a distributed run reads and never writes
            return
        self._make()
        self._claim()
        try:
            self._bind(config)
        except BaseException:
            self.close()
            raise

    def _bind(self, config: DictConfig) -> None:
        # a run is what has a manifest; before that, as when the data were refused, nothing is bound yet
        if (self.path / "manifest.json").exists():
            there, now = _container(OmegaConf.load(self.path / "config.yaml")), _container(config)
            self._compare(_plain(there), _plain(now), later_options(there, now))
            return
        names = (p.name for p in self.path.iterdir())
        # a launcher's folder comes before the run
        foreign = sorted(n for n in names if n not in ("slurm", "ray") and not n.lstrip(".").startswith("config.yaml"))
        if foreign:
            raise ValueError(
                f"run_dir must be new, empty or a run's, and {self.path} holds {', '.join(foreign[:3])} and no "
                "manifest.json. Choose another run_dir."
            )
        self.write("config.yaml", lambda place: place.write_text(OmegaConf.to_yaml(config)))

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"run_dir must be a directory that can be written, and {self.path} is not ({error.strerror}). "
                "Choose another run_dir."
            ) from error

    def _claim(self) -> None:
        # the lock lies on the directory itself: it leaves no file and goes with the process, however that ends
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ValueError(
                f"run_dir {self.path} is in use by another process. Wait for it, or choose another run_dir."
            ) from error

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any], later: Collection[str]) -> None:
        missing = object()
        changed = [
            f"{key}: {old.get(key, '(none)')} there, {new.get(key, '(none)')} now"
            for key in sorted({*old, *new})
            if key.split(".")[0] not in _NOT_COMPARED
            and not key.startswith(_NOT_COMPARED_OF_TRAINER)
            and key not in later
            and old.get(key, missing) != new.get(key, missing)
        ]
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise ValueError(
                f"run_dir {self.path} belongs to another configuration ({'; '.join(changed[:3])}{more}). "
                "Choose another run_dir, or repeat the options it was made with."
            )

    @property
    def complete(self) -> bool:
        """Whether the run in it has ended well."""
        return bool(self.read_json("manifest.json").get("status") == "complete")

    def has_ended(self, test: bool) -> bool:
        """Whether the run in it went as far as is asked: to the end of the test, or of validation."""
        return self.complete or (not test and self.read_json("manifest.json").get("status") == "validated")

    @property
    def started(self) -> str | None:
        """When the run in it was first started."""
        return self.read_json("manifest.json").get("started")

    def show(self) -> None:
        """Prints the results and where they lie, once."""
        if self._lock is None:
            return
        beside = self.read_json("baselines.json")
        ran = {name: told for name, told in beside.items() if "metrics" in told}
        table = Table("metric", "value", *ran, title=str(self.path), title_justify="left")
        for key, value in self.read_json("metrics.json").items():
            others = (told["metrics"].get(key) for told in ran.values())
            table.add_row(key, f"{value:.4f}", *("" if x is None else f"{x:.4f}" for x in others))
        console = Console()
        console.print(table)
        for name, told in beside.items():
            console.print(_told(name, told), markup=False, highlight=False)

    def __enter__(self) -> RunDir:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the directory back."""
        if self._lock is not None:
            os.close(self._lock)

    def write(self, name: str, fill: Callable[[Path], object]) -> Path:
        """Writes a file as a whole or not at all; only in the first process of a distributed run.

        Args:
            name: inside the directory.
            fill: writes its argument.
        """
        place = self.path / name
        if self._lock is None:
            return place
        place.parent.mkdir(exist_ok=True)
        scratch = place.with_name(f".{place.name}.{os.getpid()}")
        fill(scratch)
        scratch.replace(place)
        return place

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Writes ``content`` as indented JSON."""
        return self.write(name, lambda place: place.write_text(json.dumps(content, indent=2) + "\n"))

    def read_json(self, name: str) -> dict[str, Any]:
        """What ``write_json`` wrote; empty when there is no such file."""
        file = self.path / name
        return dict(json.loads(file.read_text())) if file.exists() else {}


def _told(name: str, told: Mapping[str, Any]) -> str:
    if "error" in told:
        return f"no {name} beside it: {told['error']}"
    change = told["difference"]
    if change is None:
        return f"no paired difference to {name}: its metric is no mean over users"
    span = f"[{change['low']:+.4f}, {change['high']:+.4f}]"
    return f"{change['metric']} minus {name}: {change['mean']:+.4f} {span}, {change['level']:.0%} t interval over users"


def _container(config: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", OmegaConf.to_container(config))


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flat ``a.b.c`` -> value."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):  # an empty one is a group left out, as in a run of before there was the group
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value

    walk("", config)
    return flat

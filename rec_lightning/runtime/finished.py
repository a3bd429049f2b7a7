"""A complete run taken up again: what it says of itself, and its model as it was chosen.

Relations: ``training`` and ``baselining`` left it; ``evaluation`` measures it, and the room ``use`` asks it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from rec_lightning.tasks.lean import check_bases, check_lean


@dataclass(frozen=True)
class Finished:
    """A complete run.

    Args:
        folder: its directory.
        config: resolved.
        manifest: what it says of itself; its ``verb`` is ``train`` or ``baseline``.
    """

    folder: Path
    config: DictConfig
    manifest: dict[str, Any]

    @property
    def trained(self) -> bool:
        """Whether it is a model with weights, and not a baseline."""
        return bool(self.manifest["verb"] == "train")


def read_finished(folder: Path, scoring: bool = False) -> Finished:
    """Reads the configuration and the manifest of a run.

    Args:
        folder: its directory.
        scoring: whether one that scored labels will do as well.

    Raises:
        ValueError: no run of ``train`` or ``baseline``, one that has not ended, or one that scored labels.
    """
    files = folder / "config.yaml", folder / "manifest.json"
    manifest = json.loads(files[1].read_text()) if all(f.is_file() for f in files) else {}
    if manifest.get("status") != "complete" or manifest.get("verb") not in ("train", "baseline"):
        raise ValueError(
            f"run must be the directory of a complete run of train or baseline, and {folder} is none. Set run, or run "
            "it to its end."
        )
    config = OmegaConf.load(files[0])
    assert isinstance(config, DictConfig)
    if OmegaConf.select(config, "task.objectives"):
        raise ValueError(
            f"run must be one of task=sequence, and {folder} trained several objectives: what it measured is in "
            "metrics.json, rankings.parquet and predictions.parquet there. Set another run."
        )
    if config.get("label") and not scoring:
        raise ValueError(
            f"run must be one that ranks, and {folder} scored labels: what it measured is in metrics.json and "
            "predictions.parquet there. Set another run."
        )
    return Finished(folder, config, manifest)


def read_best(folder: Path) -> dict[str, Any]:
    """The checkpoint of the best epoch: ``state_dict`` and ``bases``.

    Raises:
        ValueError: the run left none.
    """
    file = folder / "checkpoints" / "best.ckpt"
    if not file.is_file():
        raise ValueError(f"run must have its best checkpoint, and {file} is not there. Train it again.")
    saved: dict[str, Any] = torch.load(file, weights_only=True)
    return saved


def load_best(task: nn.Module, saved: dict[str, Any]) -> None:
    """Fills a task that was just built with what ``read_best`` gave.

    Raises:
        ValueError: it belongs to another base or another configuration.
    """
    check_bases(task, saved.get("bases", {}))
    check_lean(task, saved["state_dict"])
    task.load_state_dict(saved["state_dict"], strict=False)

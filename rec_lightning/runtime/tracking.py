"""Loggers of a run: Weights & Biases (offline unless told otherwise), TensorBoard, CSV, any number of them.

Relations: ``conf/logger``; a resumed run goes on in the same W&B run by the id kept in its manifest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from omegaconf import DictConfig


def open_loggers(group: DictConfig | None) -> list[Logger]:
    """The loggers of the group ``logger``; its plain values are options they share. None for ``logger=[]``.

    Raises:
        ValueError: a package is missing.
    """
    parts = instantiate(group).values() if group is not None else []
    return [part for part in parts if isinstance(part, Logger)]


def wandb(
    run_dir: str,
    offline: bool = True,
    project: str = "rec_lightning",
    name: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Sequence[str] = (),
) -> WandbLogger:
    """Weights & Biases; files under ``run_dir/wandb``.

    The id follows from the directory, so that a resumed run keeps it. Offline it asks for no login and no network.
    W&B's background service is this process's own: one that the environment hands down may be gone, or may still hold
    the id for the process whose killed run is resumed here.

    Args:
        run_dir: of the run; exists.
        offline: keep everything on disk, to be uploaded later with ``wandb sync``.
        project: of the W&B workspace.
        name: of the run; the directory's name by default.
        group: runs that belong together.
        job_type: what the run is for.
        tags: to find it by.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.pop("WANDB_SERVICE", None)
    place = Path(run_dir).resolve()
    logger = WandbLogger(
        project=project,
        name=name or place.name,
        group=group,
        job_type=job_type,
        tags=list(tags),
        id=run_id(run_dir),
        save_dir=str(place),
        offline=offline,
        resume="allow",
    )
    logger._wandb_init.pop("anonymous", None)  # Lightning passes an option that W&B now warns about
    return logger


def run_id(run_dir: str) -> str:
    """Eight characters that are the same whenever the same directory is opened."""
    file = Path(run_dir) / "config.yaml"
    # the file's first writing tells a new run in an old place from the old run
    made = file.stat().st_mtime_ns if file.exists() else 0
    return hashlib.sha256(f"{Path(run_dir).resolve()} {made}".encode()).hexdigest()[:8]


def csv(run_dir: str) -> CSVLogger:
    """``run_dir/csv/metrics.csv``."""
    return CSVLogger(save_dir=run_dir, name="", version="csv")


def tensorboard(run_dir: str) -> TensorBoardLogger:
    """``run_dir/tensorboard``.

    Raises:
        ValueError: the package is not installed.
    """
    try:
        return TensorBoardLogger(save_dir=run_dir, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise ValueError(
            "logger=tensorboard needs the package tensorboard, which is not installed. "
            "Install rec_lightning[tensorboard], or choose logger=wandb or logger=csv."
        ) from error


def log_results(
    loggers: Sequence[Logger],
    results: Mapping[str, float],
    checkpoint: Path | None,
    beside: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Final numbers, the result table and the lean checkpoint, to each logger as far as it can hold them.

    Args:
        loggers: of the run; they are closed.
        results: flat ``test/ndcg@10`` -> value.
        checkpoint: the lean one; None for a run without.
        beside: baselines by name with their ``metrics``; columns of the result table.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            _log_to_wandb(logger, results, checkpoint, beside or {})
        else:
            logger.log_metrics(dict(results))
        logger.finalize("success")


def _log_to_wandb(
    logger: WandbLogger,
    results: Mapping[str, float],
    checkpoint: Path | None,
    beside: Mapping[str, Mapping[str, Any]],
) -> None:
    import wandb as client

    run = logger.experiment
    run.summary.update(dict(results))
    others = {name: told["metrics"] for name, told in beside.items() if "metrics" in told}
    rows = [[key, value, *(metrics.get(key) for metrics in others.values())] for key, value in results.items()]
    run.log({"results": client.Table(columns=["metric", "value", *others], data=rows)})
    if checkpoint is not None:
        artifact = client.Artifact(f"checkpoint-{run.id}", type="model", metadata=dict(results))
        artifact.add_file(str(checkpoint))
        run.log_artifact(artifact)
    run.finish()

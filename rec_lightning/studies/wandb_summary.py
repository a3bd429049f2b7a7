"""A study in W&B: one more run in its group that holds the table and the pictures, and how to upload everything later.

Runs of rows are grouped by the study by ``plan``; this one has the job type ``summary``. It is written as the rows'
own logger is set: offline unless told otherwise, so that no login and no network is asked for.

Relations: the table is that of ``sheet``, the pictures are those of ``report``.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rec_lightning.studies.drawing import bitmap
from rec_lightning.studies.entries import Comparison
from rec_lightning.studies.report import pictures
from rec_lightning.studies.sheet import sheet


def log_summary(comparison: Comparison, folder: Path, group: str, settings: Mapping[str, Any]) -> None:
    """Logs the study's outcome as a run of its own; the same folder keeps the same id.

    Args:
        comparison: the study's outcome.
        folder: of the study.
        group: under which the rows' runs stand.
        settings: ``project`` and ``offline`` of the rows' logger.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    heads, rows = sheet(comparison)
    run = wandb.init(
        project=str(settings.get("project", "rec_lightning")), group=group, job_type="summary",
        name=f"{group}, summary", id=hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8],
        dir=str(folder), mode="offline" if settings.get("offline", True) else "online", resume="allow",
        config={"question": comparison.study.question, "overrides": list(comparison.overrides)},
    )  # fmt: skip
    run.log({"table": wandb.Table(columns=[*heads], data=[[row.get(head) for head in heads] for row in rows])})
    run.log({name: wandb.Image(bitmap(figure)) for name, figure in pictures(comparison).items()})
    for row in rows:
        run.summary.update({f"{row['row']}/{head}": row.get(head) for head in comparison.study.metrics})
    run.finish()


def upload_command(folder: Path) -> str | None:
    """One line that uploads every offline run of a study; None where there is none.

    Args:
        folder: of the study.
    """
    if next(folder.rglob("wandb/offline-run-*"), None) is None:
        return None
    return f"find {shlex.quote(str(folder))} -type d -name 'offline-run-*' -exec wandb sync {{}} +"

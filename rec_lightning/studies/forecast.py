"""What a launch is going to do, before it starts: how many runs, how long, how much memory.

Times and memory are those of complete runs in the same folder where a row has one, else those of its ``calibration``,
else the seconds that the study names; where a row has neither, the other rows' mean stands for it and is said to be a
guess.

Relations: ``runner`` prints it; ``progress`` shows the time left afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from rec_lightning.studies.calibration import FOLDER, calibrated
from rec_lightning.studies.formats import memory, seconds
from rec_lightning.studies.job import Job


def informed(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the seconds that a run of the same row takes on this machine, where that is known.

    Args:
        jobs: whose logs lie in the folder of their row, or of a try in it.
    """
    took = {folder: facts(folder) for folder in {row_folder(job) for job in jobs}}
    found = []
    for job in jobs:
        folder = row_folder(job)
        guess = (fmean(w for w, _ in took[folder]), 0.0) if took[folder] else calibrated(folder, job)
        found.append(replace(job, expected=guess[0]) if guess else job)
    return found


def forecast(jobs: Sequence[Job], parallel: int = 1, tries: Sequence[Job] = ()) -> str:
    """One line of what is to come.

    Args:
        jobs: all, informed.
        parallel: how many run at a time.
        tries: that come before, informed; those of a search not by their own names.
    """
    there = [job for job in jobs if job.proof.is_file() and _complete(job.proof)]
    rest = [job for job in jobs if job not in there] + list(tries)
    parts = [f"{len(jobs)} runs after {len(tries)} tries" if tries else f"{len(jobs)} runs"]
    parts += [f"{len(there)} complete in the folder"] if there else []
    known = [job.expected for job in rest if job.expected is not None]
    if rest and known:
        guess = "" if len(known) == len(rest) else f", guessing for {len(rest) - len(known)}"
        parts.append(f"about {seconds(fmean(known) * len(rest) / parallel)} for the rest, {parallel} at a time{guess}")
    elif rest:
        parts.append("their time is not known, and calibrate=true measures it first")
    peaks = [peak for folder in {row_folder(job) for job in (*jobs, *tries)} for peak in _peaks(folder)]
    if peaks:
        parts.append(f"up to {memory(max(peaks))} a process so far")
    return f"Plan: {'; '.join(parts)}."


def row_folder(job: Job) -> Path:
    """The folder of a job's row, below the study's."""
    folder = job.log.parent
    return folder.parent if re.fullmatch(r"try-\d+", folder.name) else folder


def _peaks(folder: Path) -> list[float]:
    runs = [peak for _, peak in facts(folder)]
    short = [_read(path) for path in folder.glob(f"{FOLDER}/seed-*/manifest.json")]
    return runs + [float(manifest["peak_memory_mb"]) for manifest in short if "peak_memory_mb" in manifest]


def facts(folder: Path) -> list[tuple[float, float]]:
    """Seconds and peak memory of each complete run and try in a row's folder."""
    found = []
    for path in sorted((*folder.glob("seed-*/manifest.json"), *folder.glob("try-*/seed-*/manifest.json"))):
        manifest = _read(path)
        if manifest.get("status") in ("validated", "complete"):
            found.append((float(manifest["seconds"]["wall"]), float(manifest["peak_memory_mb"])))
    return found


def _complete(path: Path) -> bool:
    return bool(_read(path).get("status") == "complete")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

"""What a launch is going to do, before it starts: how many runs, how long, how much memory.

Times and memory are those of complete runs in the same folder where a row has one, else the seconds that the study
names; where a row has neither, the other rows' mean stands for it and is said to be a guess.

Relations: ``conduct`` prints it; ``progress`` shows the time left afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from rec_lightning.studies.formats import memory, seconds
from rec_lightning.studies.job import Job


def informed(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the seconds that a complete run of the same row took on this machine, where there is one.

    Args:
        jobs: whose logs lie in the folder of their row.
    """
    took = {folder: _facts(folder) for folder in {job.log.parent for job in jobs}}
    return [
        replace(job, expected=fmean(w for w, _ in took[job.log.parent])) if took[job.log.parent] else job
        for job in jobs
    ]


def forecast(jobs: Sequence[Job], parallel: int = 1) -> str:
    """One line of what is to come.

    Args:
        jobs: all, informed.
        parallel: how many run at a time.
    """
    there = [job for job in jobs if job.proof.is_file() and _complete(job.proof)]
    rest = [job for job in jobs if job not in there]
    parts = [f"{len(jobs)} runs", f"{len(there)} complete in the folder"] if there else [f"{len(jobs)} runs"]
    known = [job.expected for job in rest if job.expected is not None]
    if rest and known:
        guess = "" if len(known) == len(rest) else f", guessing for {len(rest) - len(known)}"
        parts.append(f"about {seconds(fmean(known) * len(rest) / parallel)} for the rest, {parallel} at a time{guess}")
    peaks = [peak for folder in {job.log.parent for job in jobs} for _, peak in _facts(folder)]
    if peaks:
        parts.append(f"up to {memory(max(peaks))} a process so far")
    return f"Plan: {'; '.join(parts)}."


def _facts(folder: Path) -> list[tuple[float, float]]:
    """Seconds and peak memory of each complete run in a row's folder."""
    found = []
    for path in sorted(folder.glob("seed-*/manifest.json")):
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

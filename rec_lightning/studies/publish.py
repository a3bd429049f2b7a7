"""Writes a study's outcome into its folder: ``results.json``, ``comparison.png`` and ``.svg``, ``report.html``.

Relations: what is written comes from ``comparison``, ``figure`` and ``report``.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rec_lightning.studies.comparison import LEVEL, Comparison, Failure, Line
from rec_lightning.studies.drawing import write_figure
from rec_lightning.studies.figure import comparison_figure
from rec_lightning.studies.report import report_page
from rec_lightning.studies.wording import caution, protocol


def publish(comparison: Comparison, folder: Path) -> Path:
    """Writes all files of the outcome; without any result there is no picture.

    Args:
        comparison: the study's outcome.
        folder: of the study; exists.

    Returns:
        The path of the report.
    """
    content = json.dumps(results(comparison), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(content + "\n", encoding="utf-8")
    if comparison.lines:
        write_figure(comparison_figure(comparison), folder / "comparison")
    path = folder / "report.html"
    path.write_text(report_page(comparison), encoding="utf-8")
    return path


def results(comparison: Comparison) -> dict[str, Any]:
    """Everything the table says and the rows logged, ready for JSON.

    Args:
        comparison: the study's outcome.
    """
    study = comparison.study
    told = {"protocol": protocol(comparison), "caution": caution(comparison)} if comparison.lines else {}
    return {
        "title": study.title,
        "question": study.question,
        **told,
        "primary": study.primary,
        "reference": study.reference,
        "bootstrap": {"resamples": study.resamples, "level": LEVEL, "seed": study.seed},
        "overrides": list(comparison.overrides),
        "rows": [_line(e) if isinstance(e, Line) else _failure(e) for e in comparison.entries],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": line.spec.name,
        "slug": line.spec.slug,
        "verb": line.spec.verb,
        "command": line.command,
        "status": "complete",
        "kept": line.kept,
        "users": len(line.row.users),
        "scores": {metric: asdict(interval) for metric, interval in line.scores.items()},
        "versus_reference": asdict(line.versus) if line.versus else None,
        "trainable_share": line.row.manifest.share,
        "logged": {key: value if math.isfinite(value) else None for key, value in line.row.metrics.items()},
        "manifest": dict(line.row.manifest.raw),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "name": failure.spec.name,
        "slug": failure.spec.slug,
        "verb": failure.spec.verb,
        "command": failure.command,
        "status": "failed",
        "exit_code": failure.code,
        "error": list(failure.error),
    }

"""Writes a study's outcome into its folder: ``results.json``, ``table.md``, ``.tex`` and ``.csv``,
``comparison.png`` and ``.svg``, ``report.html``; for probabilities ``reliability.png`` and ``.svg``; and
``ablation.md`` and ``.tex`` where it has one.

Relations: what is written comes from ``comparison``, ``figure`` and ``report``.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rec_lightning.studies.ablation import ablation
from rec_lightning.studies.drawing import write_figure
from rec_lightning.studies.entries import LEVEL, Comparison, Failure, Line, Missing, Run
from rec_lightning.studies.figure import comparison_figure
from rec_lightning.studies.findings import findings
from rec_lightning.studies.latex import latex_table
from rec_lightning.studies.markdown import markdown_table
from rec_lightning.studies.pareto import pareto_figure
from rec_lightning.studies.reliability import reliability_figure
from rec_lightning.studies.report import report_page
from rec_lightning.studies.sheet import csv_table
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
    for name, draw in (("pareto", pareto_figure), ("reliability", reliability_figure)):
        if (figure := draw(comparison)) is not None:
            write_figure(figure, folder / name)
    (folder / "table.md").write_text(markdown_table(comparison), encoding="utf-8")
    (folder / "table.tex").write_text(latex_table(comparison), encoding="utf-8")
    if (parts := ablation(comparison)) is not None:
        (folder / "ablation.md").write_text(markdown_table(parts), encoding="utf-8")
        (folder / "ablation.tex").write_text(latex_table(parts, differences=True), encoding="utf-8")
    (folder / "table.csv").write_text(csv_table(comparison), encoding="utf-8")
    path = folder / "report.html"
    path.write_text(report_page(comparison), encoding="utf-8")
    return path


def publish_beside(folder: Path, place: Path, hidden: Mapping[str, str]) -> None:
    """Writes the published files a second time, without the paths of this machine.

    Args:
        folder: where ``publish`` wrote them.
        place: where to write; the study's own folder.
        hidden: what to write in place of a text, as ``{"/home/me/set.txt": "PATH"}``.

    Raises:
        OSError: it cannot be written.
    """
    for name in ("results.json", "table.md", "report.html"):
        text = (folder / name).read_text(encoding="utf-8")
        for secret in sorted(hidden, key=len, reverse=True):
            text = text.replace(secret, hidden[secret])
        (place / name).write_text(text, encoding="utf-8")
    for picture in ("comparison.png", "pareto.png", "reliability.png"):
        if (folder / picture).exists():
            shutil.copyfile(folder / picture, place / picture)


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
        "findings": findings(comparison),
        "rows": [_entry(entry) for entry in comparison.entries],
    }


def _entry(entry: Line | Missing) -> dict[str, Any]:
    spec = entry.spec
    head: dict[str, Any] = {"name": spec.name, "slug": spec.slug, "verb": spec.verb, "seeds": list(spec.seeds)}
    if spec.published:
        head["published"] = {**spec.published.scores, "source": spec.published.source}
    if spec.levels:
        head["levels"] = dict(spec.levels)
    if spec.trials:
        head["tried_on_validation"] = [asdict(trial) for trial in spec.trials]
    if spec.importance:
        head["importance"] = dict(spec.importance)
    failures = [_failure(failure) for failure in entry.failures]
    if isinstance(entry, Missing):
        return {**head, "status": "failed", "runs": failures}
    return {
        **head,
        "status": "incomplete" if failures else "complete",
        "users": len(entry.row.users),
        "scores": {metric: asdict(interval) for metric, interval in entry.scores.items()},
        "seeds_std": dict(entry.spread),
        **({"also": dict(entry.also)} if entry.also else {}),
        "versus_reference": asdict(entry.versus) if entry.versus else None,
        "evidence": asdict(entry.evidence) if entry.evidence else None,
        "trainable_share": entry.row.manifest.share,
        "runs": [*map(_run, entry.runs), *failures],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "command": run.command,
        "status": "complete",
        "kept": run.kept,
        "logged": {key: value if math.isfinite(value) else None for key, value in run.row.metrics.items()},
        "manifest": dict(run.row.manifest.raw),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "seed": failure.seed,
        "command": failure.command,
        "status": "failed",
        "exit_code": failure.code,
        "error": list(failure.error),
    }

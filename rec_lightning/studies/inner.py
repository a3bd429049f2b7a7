"""The search inside a row: a small grid of overrides is tried with one seed, and validation chooses.

The test metrics of what was not chosen are never read: a try counts by its ``val/`` metric alone. What was tried and
chosen is kept for the report. The chosen try is a run like any other, so its first seed is not run twice.

Relations: ``conduct`` runs the tries of all rows first, then the rows that were chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

from rec_lightning.studies.aims import direction
from rec_lightning.studies.study import RowSpec, Study, Trial

# a try never sees the test set; what is chosen goes on to it from where the try ended
VALIDATION_ONLY = "test=false"


def tries(row: RowSpec) -> list[RowSpec]:
    """A row for each candidate, with the first seed.

    Args:
        row: with a grid.
    """
    keys = list(row.tune)
    found = []
    for number, values in enumerate(product(*row.tune.values()), start=1):
        own = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        kept = tuple(override for override in row.overrides if override.partition("=")[0] not in keys)
        name = f"{row.name}, try {number}"
        changes = {"overrides": (*kept, *own, VALIDATION_ONLY), "folder": f"{row.slug}/try-{number}", "tune": {}}
        found.append(replace(row, name=name, seeds=row.seeds[:1], parent=row.name, **changes))  # type: ignore[arg-type]
    return found


def with_tries(study: Study) -> Study:
    """The study of all candidates; rows without a grid are left out."""
    rows = tuple(one for row in study.rows if row.tune for one in tries(row))
    return replace(study, rows=rows, reference=None)


def chosen(study: Study, place: Callable[[RowSpec], Path]) -> Study:
    """The study with each grid replaced by its best candidate on validation; of equal ones the first.

    Args:
        study: whose candidates have run.
        place: folder of a candidate's run.

    Returns:
        The study; a row none of whose candidates has a result takes the first, so that its failure shows.
    """
    return replace(study, rows=tuple(_chosen(study, row, place) if row.tune else row for row in study.rows))


def _chosen(study: Study, row: RowSpec, place: Callable[[RowSpec], Path]) -> RowSpec:
    candidates = tries(row)
    values = [validation(place(one), study.primary) for one in candidates]
    best = max(range(len(values)), key=lambda n: _order(values[n], study.primary))
    trials = tuple(
        Trial(one.overrides[-len(row.tune) - 1 : -1], value, number == best)
        for number, (one, value) in enumerate(zip(candidates, values, strict=True))
    )
    return replace(candidates[best], name=row.name, overrides=candidates[best].overrides[:-1], seeds=row.seeds,
                   trials=trials, parent="")  # fmt: skip


def _order(value: float | None, metric: str) -> float:
    return float("-inf") if value is None else direction(metric) * value


def validation(run: Path, metric: str) -> float | None:
    """The metric on validation, which is all that is looked at; None for a try without a result.

    Args:
        run: folder of a try.
        metric: as ``ndcg@10``.
    """
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        logged = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    value = logged.get(f"val/{metric}") if manifest.get("status") in ("validated", "complete") else None
    return None if value is None else float(value)

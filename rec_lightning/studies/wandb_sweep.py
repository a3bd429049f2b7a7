"""A study's searches as sweeps of W&B: one yaml for each row with ranges.

``wandb sweep FILE`` registers it, ``wandb agent ID`` runs it on any machine; its agents train with the command written
there. A sweep of W&B chooses by validation too (its runs have ``test=false``), but tests nothing afterwards.

Relations: the same ranges as ``search``; CMA-ES, NSGA-II and the median rule are Optuna's alone and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rec_lightning.studies.aims import direction
from rec_lightning.studies.plan import row_overrides
from rec_lightning.studies.ranges import Range, Sweep
from rec_lightning.studies.study import RowSpec, Study

_METHODS = {"tpe": "bayes", "random": "random", "grid": "grid"}


def sweep_files(study: Study, overrides: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """File name -> content, ready for yaml.

    Args:
        study: with rows that are searched.
        overrides: given beside the study.

    Raises:
        ValueError: nothing to search, or a way of searching that W&B has not.
    """
    found = {f"{row.slug}.yaml": _of_ranges(study, row, row.sweep, overrides) for row in study.rows if row.sweep}
    if not found:
        raise ValueError("a sweep of W&B needs ranges, got a study without any. Add search to its file.")
    return found


def write_sweeps(study: Study, folder: Path, overrides: Sequence[str] = ()) -> list[Path]:
    """Writes them.

    Args:
        study: with rows that are searched.
        folder: made where it is missing.
        overrides: given beside the study.

    Raises:
        ValueError: as ``sweep_files``.
    """
    import yaml  # the front door stays light

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in sweep_files(study, overrides).items():
        paths.append(folder / name)
        paths[-1].write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return paths


def _of_ranges(study: Study, row: RowSpec, sweep: Sweep, overrides: Sequence[str]) -> dict[str, Any]:
    if sweep.sampler not in _METHODS or sweep.cost or sweep.pruner == "median":
        raise ValueError(
            f"a sweep of W&B knows the samplers {list(_METHODS)}, the pruner asha and one aim, got {sweep.sampler}, "
            f"{sweep.pruner} and cost={sweep.cost} in row {row.name!r}. Change sweep, or let the study search itself."
        )
    kept = [o for o in row_overrides(study, row, overrides) if o.partition("=")[0] not in row.searched]
    content: dict[str, Any] = {
        "name": f"{study.title}: {row.name}",
        "method": _METHODS[sweep.sampler],
        "metric": {"name": f"val/{study.primary}", "goal": "maximize" if direction(study.primary) > 0 else "minimize"},
        "run_cap": sweep.budget,
        "parameters": {key: _parameter(one) for key, one in sweep.ranges.items()},
        "program": "rec-lightning",
        "command": ["rec-lightning", row.verb, *kept, f"seed={row.seeds[0]}", "test=false", "${args_no_hyphens}"],
    }
    if sweep.pruner == "asha":
        content["early_terminate"] = {"type": "hyperband", "min_iter": sweep.warmup, "eta": 3}
    return content


def _parameter(one: Range) -> dict[str, Any]:
    if one.values:
        return {"values": list(one.values)}
    if one.whole:
        return {"distribution": "q_log_uniform_values", "min": one.low, "max": one.high, "q": 1}
    if one.step is not None:
        return {"distribution": "q_uniform", "min": one.low, "max": one.high, "q": one.step}
    return {"distribution": "log_uniform_values" if one.log else "uniform", "min": one.low, "max": one.high}

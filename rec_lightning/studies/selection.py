"""What a search found: the try that goes to the test set, all others for the record, and which keys mattered.

Of the tries that came to their end (and cost no more than ``sweep.most``) the best on validation is chosen, of equal
ones the first. Importance is PED-ANOVA (Watanabe et al., IJCAI 2023), of the metric on validation, where at least
``LEAST`` tries of two or more keys came to their end.

Relations: reads what ``search`` told Optuna; ``searched`` draws it, ``wording`` says it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rec_lightning.studies.aims import direction
from rec_lightning.studies.attempt import trial_row
from rec_lightning.studies.search import Search
from rec_lightning.studies.study import RowSpec, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST = 8
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def selected(search: Search) -> RowSpec:
    """The row with what was found best in place of its ranges.

    Args:
        search: with all tries, or those that are there so far.

    Returns:
        The row; without a try that may be chosen it says so as ``hopeless`` and is not to run.
    """
    row, trials = search.row, search.trials
    best = _best(search, trials)
    told = tuple(_told(search, trial, trial is best) for trial in trials)
    if best is None:
        return replace(row, sweep=None, trials=told, hopeless=_why(search, told))
    chosen = trial_row(row, best.number, best.params)
    return replace(
        chosen, name=row.name, overrides=chosen.overrides[:-1], seeds=row.seeds, parent="",
        trials=told, importance=_importance(search, trials),
    )  # fmt: skip


def _best(search: Search, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    most = search.sweep.most
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    fitting = [trial for trial in complete if most is None or trial.values[1] <= most]
    sign = direction(search.metric)
    return max(fitting, key=lambda trial: (sign * trial.values[0], -trial.number), default=None)


def _why(search: Search, told: Sequence[Trial]) -> str:
    ended = [trial for trial in told if trial.state == "complete"]
    if ended:
        least = min(trial.cost or 0.0 for trial in ended)
        return (
            f"a try may cost at most sweep.most={search.sweep.most:g} {search.sweep.cost}, got {least:g} or more in "
            f"all {len(ended)}. Raise sweep.most, or try more."
        )
    failed = sum(trial.state == "failed" for trial in told)
    return (
        f"a row needs a try that came to its end, got none of {len(told)} ({failed} failed). "
        f"Read the logs of {search.row.slug}/try-*, and start again."
    )


def _told(search: Search, trial: FrozenTrial, chosen: bool) -> Trial:
    row = trial_row(search.row, trial.number, trial.params)
    own = row.overrides[len(row.overrides) - len(trial.params) - 1 : -1]
    complete = trial.state.name == "COMPLETE"
    last = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None
    value = trial.values[0] if complete else last
    cost = trial.values[1] if complete and search.sweep.cost else None
    return Trial(own, value, chosen, _STATES.get(trial.state.name, "running"), cost)


def _importance(search: Search, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    complete = sum(trial.state.name == "COMPLETE" for trial in trials)
    if complete < LEAST or len(search.sweep.ranges) < 2:
        return {}
    import optuna

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PedAnovaImportanceEvaluator computes")  # of low values: so turned
        found = optuna.importance.get_param_importances(
            search.memory,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            target=lambda trial: -direction(search.metric) * trial.values[0],
        )
    return {key: float(value) for key, value in found.items()}

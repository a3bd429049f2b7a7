"""The metrics a study may be about: their names, which way is better, and which runs log them.

Relations: ``intervals`` computes those of rankings, ``scored`` those of labels. Light, because the check of a study
asks it before anything starts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

# of scoring, and the classes of the room ``metrics`` that log them
SCORED = {
    "auc": ("RocAUC",),
    "gauc": ("GroupedAUC",),
    "uauc": ("GroupedAUC",),
    "rmse": ("Errors",),
    "mae": ("Errors",),
    "accuracy": ("ClassScores",),  # of classes: that of a binary label depends on a threshold
    "log_loss": ("LogLoss", "ClassScores"),
}
# of rankings, and the class that logs them
_LOGS = {"hr": "HitRate", "ndcg": "NDCG", "user_recall": "UserRecall", "user_ndcg": "UserNDCG"}
_ERRORS = ("log_loss", "rmse", "mae")
RANKED = re.compile(r"(hr|ndcg|user_recall|user_ndcg)@([1-9]\d*)")


def split(metric: str) -> tuple[str, str]:
    """The objective of a multi-task run that it is of, empty for another run, and its own name.

    Example:
        >>> split("like/auc"), split("auc")
        (('like', 'auc'), ('', 'auc'))
    """
    objective, _, name = metric.rpartition("/")
    return objective, name


def direction(metric: str) -> int:
    """1 where more is better, -1 for an error.

    Example:
        >>> direction("ndcg@10"), direction("rmse")
        (1, -1)
    """
    return -1 if split(metric)[1] in _ERRORS else 1


def is_ranked(metric: str) -> bool:
    """Whether it is one of rankings."""
    return RANKED.fullmatch(split(metric)[1]) is not None


def check_metric(metric: str, metrics: Mapping[str, Any]) -> None:
    """Refuses a metric that a run which ranks would not log.

    Args:
        metric: of a study.
        metrics: the run's, as configured.

    Raises:
        ValueError: another metric, one that the run does not measure, or another cut-off.

    Example:
        >>> check_metric("hr@10", {"hit_rate": {"_target_": "rec_lightning.metrics.hit_rate.HitRate", "top_k": [10]}})
    """
    match = RANKED.fullmatch(metric)
    if match is None:
        raise ValueError(
            f"a study's metric must be one of {', '.join(f'{name}@K' for name in _LOGS)} with K at least 1, got "
            f"{metric!r}. Change metrics."
        )
    nodes = [node for node in metrics.values() if node]
    found = [node for node in nodes if str(node["_target_"]).rpartition(".")[2] == _LOGS[match[1]]]
    if not found:
        choice = "users" if match[1].startswith("user_") else "ranking"
        raise ValueError(
            f"metrics must be some that the runs measure, and {_LOGS[match[1]]} is none of theirs, got {metric!r}. "
            f"Set metrics={choice} for the rows, or change metrics of the study."
        )
    cuts = list(found[0].get("top_k") or ())
    if int(match[2]) not in cuts:
        raise ValueError(f"metrics must have a cut-off that the runs log, one of {cuts}, got {metric!r}. Set top_k.")


def check_scored(metric: str, metrics: Mapping[str, Any]) -> None:
    """Refuses a metric that a run of scoring would not log.

    Args:
        metric: of a study.
        metrics: the run's, as configured.

    Raises:
        ValueError: another metric, or one that the run does not measure.

    Example:
        >>> check_scored("auc", {"auc": {"_target_": "rec_lightning.metrics.roc_auc.RocAUC"}})
    """
    classes = {str(node["_target_"]).rpartition(".")[2] for node in metrics.values() if node}
    known = [name for name, by in SCORED.items() if classes.intersection(by)]
    if metric not in known:
        raise ValueError(
            f"the metric of a study of labels must be one that its runs measure ({', '.join(known) or 'none'}), got "
            f"{metric!r}. Change metrics; rankings and labels are compared in two studies."
        )


def check_of(metric: str, config: Mapping[str, Any]) -> None:
    """Refuses a metric that a run with this configuration would not log.

    Args:
        metric: of a study; of a multi-task run behind its objective's name, as ``like/auc``.
        config: of the run.

    Raises:
        ValueError: it would not.
    """
    (objective, name), part = split(metric), config
    objectives: Mapping[str, Any] = (config.get("task") or {}).get("objectives") or {}
    if objectives or objective:
        if objective not in objectives:
            known = ", ".join(objectives) or "none"
            raise ValueError(f"a metric must name an objective of its runs ({known}), got {metric!r}. Change metrics.")
        part = objectives[objective]
    if part.get("label"):
        check_scored(name, part["metrics"])
    else:
        check_metric(name, part.get("metrics") or {})
        if "negatives" in (config.get("ranking") or {}):
            raise ValueError(
                f"the rows of a study are ranked over the whole catalogue, got {config['ranking']['_target_']} among "
                "drawn items. Leave it out, and measure the finished run with rec-lightning evaluate."
            )


def objective_of(metrics: Collection[str]) -> str:
    """The one objective that these metrics are of; empty for runs that have one objective only.

    Raises:
        ValueError: they are of several.
    """
    found = sorted({split(metric)[0] for metric in metrics})
    if len(found) > 1:
        raise ValueError(
            f"the metrics of a study must be of one objective, got {', '.join(metrics)}. Compare the same runs in "
            "a study for each."
        )
    return found[0] if found else ""

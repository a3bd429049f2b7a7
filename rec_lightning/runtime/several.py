"""A training of several objectives: which parts go together, how they are made, what they measure and are to predict.

Relations: ``family`` says the same of tasks with one objective; ``build`` and ``training`` ask both.
"""

from __future__ import annotations

import inspect
from typing import Any

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig

from rec_lightning.contracts import Catalog, Label
from rec_lightning.runtime.family import check_part, check_query, named, parts_of
from rec_lightning.runtime.measures import keys_of

_NEEDED = {"structure": "shared_bottom", "balancing": "fixed"}
_OF_EACH = ("head", "loss", "metrics", "label")


def several(config: DictConfig) -> bool:
    """Whether the task has several objectives."""
    return "objectives" in inspect.signature(get_object(config.task["_target_"])).parameters


def check_several(config: DictConfig) -> None:
    """Refuses parts that have no effect, or that do not go with their objective.

    Args:
        config: resolved.

    Raises:
        ValueError: names the part and what to set instead.
    """
    task, objectives = named(config.task), config.task.get("objectives") or {}
    ranks = any("label" not in part for part in objectives.values())
    for group, choice in _NEEDED.items():
        if not config.get(group):
            raise ValueError(f"task={task} needs a {group}, got none. Set {group}={choice}.")
    for group in _OF_EACH:
        if config.get(group):
            raise ValueError(
                f"{group} has no effect with task={task}, whose objectives have their own. Set {group}=none."
            )
    for group in ("rerank", "companion", "regularizer", *([] if ranks else ["ranking"])):
        if config.get(group):
            raise ValueError(f"{group}={named(config[group])} has no effect with task={task}. Set {group}=none.")
    if config.get("compare"):
        raise ValueError(f"compare has no effect with task={task}, got {', '.join(config.compare)}. Set compare=[].")
    if ranks and not config.get("ranking"):
        raise ValueError(f"task={task} has an objective that ranks and needs a ranking, got none. Set ranking=topk.")
    _check_trunk(config, task)
    check_query(config)
    for name, part in objectives.items():
        label = part.get("label")
        if "label" in part and not label:
            raise ValueError(f"task.objectives.{name} needs a label, got none. Set task.objectives.{name}.label.")
        kind = get_object(label["_target_"]).kind if label else None
        for place, node in parts_of(part):
            check_part(f"task.objectives.{name}.{place}", node, task, kind)


def _check_trunk(config: DictConfig, task: str) -> None:
    if getattr(get_object(config.backbone["_target_"]), "per_candidate", False):
        raise ValueError(
            f"backbone={named(config.backbone)} has no state that task={task} could share. Set backbone=sasrec."
        )
    if getattr(get_object(config["items"]["_target_"]), "width", None) == 0:
        raise ValueError(
            f"items={named(config['items'])} has no vectors, which task={task} reads. Set items=id or text."
        )


def build_several(config: DictConfig, catalog: Catalog) -> dict[str, Any]:
    """The objectives by name, and what stands before and after them.

    Raises:
        ValueError: what a part refuses, with its objective's name.
    """
    names, made = list(config.task.objectives), dict[str, Any]()
    for name, node in config.task.objectives.items():
        try:
            made[str(name)] = instantiate(node)(catalog=catalog)
        except ValueError as error:
            raise ValueError(f"task.objectives.{name}: {error}") from error
    structure, balancing = instantiate(config.structure), instantiate(config.balancing)
    return {"objectives": made, "structure": structure(tasks=names), "balancing": balancing(tasks=len(names))}


def labels_of(config: DictConfig) -> tuple[dict[str, Label], bool]:
    """What each objective that scores predicts, by name; and whether another one ranks."""
    found = {str(name): part.get("label") for name, part in config.task.objectives.items()}
    labels = {name: instantiate(node, _convert_="all") for name, node in found.items() if node}
    return labels, len(labels) < len(found)


def several_keys(config: DictConfig, catalog: Catalog) -> dict[str, str]:
    """What will be measured, as ``metric_keys`` says it, each key behind its objective's name."""
    found = dict[str, str]()
    for name, part in config.task.objectives.items():
        keys = keys_of(part.metrics, part.get("label"), part.get("ranking"), catalog)
        found |= {f"{name}/{key}": mode for key, mode in keys.items()}
    return found

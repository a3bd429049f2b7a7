"""Parts of two families: those that rank a catalogue, and those that score labelled candidates. They do not mix.

A task that takes a ``label`` scores. A part of scoring says in ``kinds`` of which labels.

Relations: ``build`` asks before anything is put together.
"""

from __future__ import annotations

import inspect
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig

_SCORING = {
    "binary": ("dot_bias, bias, linear, fm, mlp, din or dcn", "log_loss, focal, pairwise or listwise", "binary"),
    "number": ("dot_bias, bias, linear, fm, mlp, din or dcn", "squared_error, huber or ordinal", "rating"),
    "classes": ("linear, mlp, din or dcn", "cross_entropy", "classes"),
}
_SEQUENCE = ("dot or cosine", "chunked_softmax", "ranking")
_GROUPS = ("head", "loss", "metrics")


def check_family(config: DictConfig) -> None:
    """Refuses parts of the other family, and parts for labels of another kind.

    Args:
        config: resolved.

    Raises:
        ValueError: names the part and what to set instead.
    """
    task = named(config.task)
    scores = "label" in inspect.signature(get_object(config.task["_target_"])).parameters
    label = config.get("label")
    for group in ("structure", "balancing"):
        if config.get(group):
            raise ValueError(f"{group}={named(config[group])} has no effect with task={task}. Set task=multitask.")
    if label and not scores:
        raise ValueError(f"label={named(label)} has no effect with task={task}. Set task=scoring, or label=none.")
    if getattr(get_object(config.task["_target_"]), "measures", None) is not None:
        _check_bare(config, task)
        return
    for group in ("backbone", *_GROUPS):
        if not config[group]:
            raise ValueError(f"task={task} needs a {group}, got none. Set {group}=... (see --help).")
    if scores and not label:
        raise ValueError(f"task={task} needs a label, got none. Set label=at_least, rating, classes or clicked.")
    kind = get_object(label["_target_"]).kind if label else None
    for place, node in parts_of(config):
        check_part(place, node, task, kind)
    _check_words(config, kind)
    check_query(config)
    for group in ("ranking", "rerank"):
        if scores and config.get(group):
            raise ValueError(f"{group}={named(config[group])} has no effect with task={task}. Set {group}=none.")
    if scores and config.get("compare"):
        raise ValueError(
            f"compare lists baselines that rank, and task={task} scores, got {', '.join(config.compare)}. Set "
            "compare=[]; head=bias and head=linear are rows of their own."
        )
    if (
        config.get("regularizer")
        and "regularizer" not in inspect.signature(get_object(config.task["_target_"])).parameters
    ):
        raise ValueError(
            f"regularizer={named(config.regularizer)} has no effect with task={task}. Set regularizer=none."
        )
    _check_moved(config)
    if not scores and not config.get("ranking"):
        raise ValueError(f"task={task} needs a ranking, got none. Set ranking=topk.")


def check_query(config: DictConfig) -> None:
    """Refuses a query where no event is asked about, and where nothing reads the state that it is added to.

    Args:
        config: resolved.

    Raises:
        ValueError: names the option and what to set instead.
    """
    items = {"items": config["items"]} | {
        f"items.parts.{k}": v for k, v in (config["items"].get("parts") or {}).items()
    }
    place = next((name for name, node in items.items() if node and node.get("query") is not None), None)
    if place is None:
        return
    if not config.get("label"):
        raise ValueError(
            f"{place}.query={items[place].query} has no effect with task={named(config.task)}, where no event is asked "
            f"about. Set task=scoring, or {place}.query=null."
        )
    if not getattr(get_object(config.head["_target_"]), "reads_vectors", True):
        raise ValueError(
            f"{place}.query={items[place].query} has no effect with head={named(config.head)}, which reads no state. "
            f"Set head=dot_bias, fm, mlp, din or dcn, or {place}.query=null."
        )


def _check_moved(config: DictConfig) -> None:
    """Whoever moves item vectors needs a head that reads them."""
    if not config.get("regularizer"):
        return
    mover, head = get_object(config.regularizer["_target_"]), get_object(config.head["_target_"])
    blind = not getattr(head, "reads_vectors", True) or getattr(head, "per_candidate", False)
    if getattr(mover, "moves_vectors", False) and blind:
        raise ValueError(
            f"regularizer={named(config.regularizer)} moves item vectors, and head={named(config.head)} reads none. "
            "Set regularizer=none, or a head that reads them (dot_bias, mlp, din)."
        )


def _check_words(config: DictConfig, kind: str | None) -> None:
    """Backbones that read items as words go with labels, with heads of their own and without vectors of items."""
    reader, head, items = (get_object(config[group]["_target_"]) for group in ("backbone", "head", "items"))
    reads, backbone = getattr(reader, "per_candidate", False), f"backbone={named(config.backbone)}"
    if reads and kind not in reader.kinds:
        raise ValueError(f"{backbone} scores labels that are {' or '.join(reader.kinds)}. Set task=prompt.")
    if reads and not getattr(head, "per_candidate", False):
        raise ValueError(
            f"head={named(config.head)} reads a state of the history, and {backbone} gives one of each candidate. Set "
            "head=label_words or classifier."
        )
    if getattr(head, "per_candidate", False) and not reads:
        raise ValueError(
            f"head={named(config.head)} reads what a model says of each candidate, and {backbone} reads histories. "
            "Set backbone=prompt_lm, or head=mlp."
        )
    if reads and getattr(items, "width", None) != 0:
        raise ValueError(f"items={named(config['items'])} has no effect with {backbone}. Set items=none.")
    if not reads and getattr(items, "width", None) == 0:
        raise ValueError(
            f"items={named(config['items'])} has no vectors, which {backbone} reads. Set items=id or text."
        )


def _check_bare(config: DictConfig, task: str) -> None:
    # a task that neither ranks nor scores: no part of what ranks would ever be made
    for group in ("backbone", *_GROUPS, "ranking", "rerank", "companion", "regularizer", "augmentation", "compare"):
        if config.get(group):
            none = "[]" if group == "compare" else "none"
            raise ValueError(
                f"{group}={_told(config[group])} has no effect with task={task}, which ranks nothing. Set "
                f"{group}={none}."
            )


def _told(node: Any) -> str:
    # a list of names, one part, or several by name
    if isinstance(node, ListConfig):
        return ", ".join(node)
    return named(node) if "_target_" in node else ", ".join(map(str, node))


def parts_of(config: DictConfig) -> list[tuple[str, Any]]:
    """Head, loss and each metric, with their places."""
    inner = [(f"metrics.{name}", node) for name, node in config.metrics.items() if node is not None]
    return [("head", config.head), ("loss", config.loss), *inner]


def check_part(place: str, node: Any, task: str, kind: str | None) -> None:
    """Refuses a head, a loss or a metric of the other family, or for labels of another kind.

    Args:
        place: of the part, as ``head`` or ``metrics.auc``.
        node: its configuration.
        task: how the task is called.
        kind: of the label; None where a catalogue is ranked.

    Raises:
        ValueError: names the part and what to set instead.
    """
    # metrics that other packages bring say nothing
    kinds = getattr(get_object(node["_target_"]), "kinds", None)
    group = next(word for word in place.split(".") if word in _GROUPS)
    advice = (_SEQUENCE if kind is None else _SCORING[kind])[_GROUPS.index(group)]
    if kind is None and kinds is not None:
        raise ValueError(f"{place}={named(node)} scores labels, and task={task} has none. Set {group}={advice}.")
    if kind is not None and kinds is None and group != "metrics":
        raise ValueError(
            f"{place}={named(node)} ranks a catalogue, and task={task} scores labels. Set {group}={advice}."
        )
    if kind is not None and (kinds is None or kind not in kinds):
        raise ValueError(f"{place}={named(node)} is not for a {kind} label. Set {group}={advice}.")


def named(node: Any) -> str:
    """What a part is called."""
    return str(node["_target_"]).rpartition(".")[2]

"""Config -> parts -> task. The rooms meet here by what the config names; this file knows no model.

The same function puts a run together twice: first without data and without weights (an empty catalogue, the meta
device), so that a combination that cannot work is refused in seconds, then for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from hydra.utils import instantiate
from lightning import LightningModule
from omegaconf import DictConfig

from rec_lightning.contracts import Backbone, Catalog
from rec_lightning.data.module import RecData
from rec_lightning.runtime.devices import check_devices, check_unused, check_whole, started
from rec_lightning.runtime.family import check_family, named
from rec_lightning.runtime.measures import build_metrics, build_ranking, measures_of, metric_keys
from rec_lightning.runtime.several import build_several, check_several, several, several_keys
from rec_lightning.runtime.transfer import start_from
from rec_lightning.tuning.apply import apply

GROUPS = "items backbone head loss companion task tuning ranking metrics optimizer scheduler callbacks trainer".split()


def build_task(config: DictConfig, catalog: Catalog) -> LightningModule:
    """The task with its parts, ready to fit.

    Args:
        config: resolved; groups ``items, backbone, head, loss, metrics, tuning, optimizer, scheduler, task``, with
            ``companion``, ``ranking`` and ``rerank``, with ``label``, or with ``structure`` and ``balancing``.
        catalog: the items.

    Raises:
        ValueError: a value out of range, or parts that do not go together.
    """
    # "items" by key: the attribute is a method of every mapping
    items = instantiate(config["items"])(catalog=catalog)
    parts = {"items": items}
    if measures_of(config) is None:  # else the task reads texts, and there is no backbone
        backbone = instantiate(config.backbone)
        backbone = backbone(catalog=catalog) if isinstance(backbone, partial) else backbone  # one that knows the users
        parts["backbone"] = backbone
    account = start_from(config.init, parts) if config.get("init") else []
    tuning = instantiate(config.tuning)
    apply(tuning, parts)
    if config.get("augmentation"):
        _augment(config, parts, catalog)
    own = {"optimizer": instantiate(config.optimizer), "scheduler": instantiate(config.scheduler), "tuning": tuning}
    if several(config):
        own |= build_several(config, catalog)
    elif measures_of(config) is None:
        own |= {"metrics": build_metrics(config.metrics, catalog)}
        own |= _of_scoring(config, catalog, backbone) if config.get("label") else _of_sequence(config, catalog)
    task: LightningModule = instantiate(config.task)(**parts, **own, **_regularized(config))
    task.account = account  # type: ignore[assignment]
    # a pretrained model comes in eval mode, what a tuning adds to it in train mode; one mode for all
    task.train()
    return task


def _augment(config: DictConfig, parts: Mapping[str, Any], catalog: Catalog) -> None:
    # whoever reads texts anew at every step gets what changes them
    augmentation = instantiate(config.augmentation)
    readers = [reader for part in parts.values() for reader in part.modules() if hasattr(reader, "augment")]
    if not readers:
        told = " and ".join(f"{name}={named(config[name])}" for name in parts)
        raise ValueError(
            f"augmentation={named(config.augmentation)} changes texts that are read at every step, and {told} read "
            "none. Set augmentation=none, or items=text."
        )
    for reader in readers:
        reader.augment(augmentation, catalog)


def _regularized(config: DictConfig) -> dict[str, Any]:
    # a task that knows none is not asked
    return {"regularizer": instantiate(config.regularizer)} if config.get("regularizer") else {}


def _of_sequence(config: DictConfig, catalog: Catalog) -> dict[str, Any]:
    loss = instantiate(config.loss)
    if catalog.size:  # else a rehearsal
        loss.prepare(catalog)
    return {
        "head": instantiate(config.head),
        "loss": loss,
        "ranking": build_ranking(config.ranking, catalog, config.get("rerank")),
        "companion": instantiate(config.companion) or None,
    }


def _of_scoring(config: DictConfig, catalog: Catalog, backbone: Backbone) -> dict[str, Any]:
    label, loss = instantiate(config.label, _convert_="all"), instantiate(config.loss, _convert_="all")
    read = {"inputs": backbone.outputs} if getattr(backbone, "per_candidate", False) else {}  # type: ignore[attr-defined]
    head = instantiate(config.head, _convert_="all")(catalog=catalog, outputs=loss.prepare(label), **read)
    return {"head": head, "loss": loss, "label": label, "companion": instantiate(config.companion) or None}


class Launch(Protocol):
    """Who starts the processes of a training."""

    nodes: int
    elsewhere: bool  # so that nobody has shown the results here

    def starts(self, processes: int) -> bool:
        """Whether it starts any, for so many on a machine."""
        ...

    def __call__(self, work: Callable[[str], int], text: str, processes: int, run_dir: str) -> int:
        """Runs ``work(text)`` in each; gives the exit code."""
        ...


def build_launch(config: DictConfig) -> Launch | None:
    """Who starts the processes; None where they are started.

    Raises:
        ValueError: a value out of range, a cluster that is not there, or another number of machines than the trainer's.
    """
    if not config.get("launch"):
        return None
    launch: Launch = instantiate(config.launch, _convert_="all")
    if launch.nodes != config.trainer.get("num_nodes", 1) and not started():
        raise ValueError(
            f"trainer.num_nodes must be launch.nodes ({launch.nodes}), got {config.trainer.num_nodes}. "
            "Set launch.nodes alone, or start the processes by srun yourself."
        )
    return launch


def build_strategy(config: DictConfig) -> Any:
    """How the processes of a training share it: a strategy of Lightning, or its name.

    Raises:
        ValueError: a value out of range, this machine cannot do it, or balancing or tuning does not go with it.
    """
    strategy = instantiate(config.strategy) if config.get("strategy") else "auto"
    check_whole(config, strategy)
    check_unused(config, strategy)
    check_devices(config, strategy)
    return strategy


def rehearse(config: DictConfig, data: RecData) -> None:
    """Puts the run together without data and without weights, and tries what is only called later.

    Args:
        config: resolved.
        data: not read; says which columns items and users will have.

    Raises:
        ValueError: what ``build_task`` refuses, an optimizer's or a schedule's value out of range, or a metric to
            watch that no one computes.
    """
    dropped = [group for group in GROUPS if group not in config]
    if dropped:
        raise ValueError(f"a run needs {', '.join(GROUPS)}, and {dropped[0]} was dropped. Set {dropped[0]}=...")
    (check_several if several(config) else check_family)(config)
    empty = Catalog.empty(data.item_columns, data.user_columns)
    with torch.device("meta"):
        task = build_task(config, empty)
    optimizer = instantiate(config.optimizer)([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    if hasattr(optimizer, "eval") and getattr(task.tuning, "sets_weights", False):
        raise ValueError(
            f"tuning={type(task.tuning).__name__} sets weights to zero between steps, and {type(optimizer).__name__} "
            "keeps weights of its own, which bring them back. Set optimizer=adamw, or tuning=lora."
        )
    instantiate(config.scheduler)(optimizer, 10)
    keys = (several_keys if several(config) else metric_keys)(config, empty)
    watched = {f"val/{key}": mode for key, mode in keys.items()}
    if config.monitor not in watched:
        raise ValueError(
            f"monitor must be a metric of validation ({', '.join(watched)}), got {config.monitor!r}. "
            "Set monitor, or metrics.top_k."
        )
    mode = config.get("monitor_mode", "max")  # a run of before there was a choice has none
    if watched[config.monitor] != mode:
        raise ValueError(f"monitor_mode must be {watched[config.monitor]} for {config.monitor}, got {mode!r}. Set it.")


def count_parameters(task: LightningModule) -> dict[str, int]:
    """Trained and all parameters; a shared one counts once."""
    parameters = list(task.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return {"trainable": trained, "total": sum(p.numel() for p in parameters)}


def choices(task: LightningModule) -> dict[str, str]:
    """What parts chose by themselves and why, by name; such a part says it as its ``choice``."""
    found = {name: getattr(part, "choice", None) for name, part in task.named_modules()}
    return {name: choice for name, choice in found.items() if isinstance(choice, str)}

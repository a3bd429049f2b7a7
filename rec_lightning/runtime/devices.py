"""How many processes a training asks for, and whether this machine and its strategy can give them.

Relations: ``meeting`` brings the processes together; ``starting`` starts those of one machine.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from hydra.utils import get_object
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from rec_lightning.runtime.family import named

_WHOLE = "Set strategy=ddp, or strategy=fsdp2 strategy.by_block=false"


KINDS = ("cpu", "cuda", "mps")


def accelerator_of(config: DictConfig) -> str:
    """``cpu``, ``cuda`` or ``mps``, as the trainer will choose."""
    asked = str(config.trainer.accelerator)
    if asked in ("auto", "gpu"):
        usable = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return usable if asked == "auto" or usable != "cpu" else "cuda"
    return asked


def processes_of(config: DictConfig) -> tuple[int, int]:
    """Processes on a machine, and machines."""
    asked: Any = config.trainer.devices
    if isinstance(asked, str) and asked.isdigit():
        asked = int(asked)
    if asked in ("auto", -1, "-1"):
        asked = 1 if accelerator_of(config) == "cpu" else max(1, torch.cuda.device_count())
    count = asked if isinstance(asked, int) else len(asked.split(",") if isinstance(asked, str) else asked)
    return count, int(config.trainer.get("num_nodes", 1))


def started() -> bool:
    """Whether this process is one of several that torchrun or srun started."""
    # a batch script of SLURM knows SLURM_NTASKS too, and is one process alone
    return "TORCHELASTIC_RUN_ID" in os.environ or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def check_devices(config: DictConfig, strategy: object) -> None:
    """Refuses what this machine cannot do.

    Args:
        config: resolved.
        strategy: as configured.

    Raises:
        ValueError: more processes than devices, a strategy that needs CUDA without one, a batch that has not a row
            for each process, or an option without effect.
    """
    if "strategy" in config.trainer:
        raise ValueError(f"the strategy is a part of its own, got trainer.strategy={config.trainer.strategy}. Set strategy=...")  # fmt: skip  # noqa: E501
    kind, (here, nodes) = accelerator_of(config), processes_of(config)
    name = type(strategy).__name__
    if kind not in KINDS:
        raise ValueError(
            f"trainer.accelerator must be auto, gpu, {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {kind!r}. Set "
            "trainer.accelerator."
        )
    if kind != "cuda" and getattr(strategy, "needs_cuda", False):
        raise ValueError(
            f"strategy={name} needs CUDA as it is set, and the accelerator is {kind}. Set strategy=fsdp2 without "
            "strategy.cpu_offload, or strategy=ddp, which run on a CPU too, or trainer.accelerator=gpu."
        )
    there = torch.cuda.device_count() if kind == "cuda" else (os.cpu_count() or 1)
    what = "CUDA devices" if kind == "cuda" else "processor cores"
    if kind == "cuda" and not there:
        raise ValueError(
            f"trainer.accelerator={config.trainer.accelerator} needs a CUDA device, and this machine has none. Set "
            "trainer.accelerator=cpu, or auto, which takes what is there."
        )
    if here < 1 or here > there:
        raise ValueError(
            f"trainer.devices must be 1..{there}, the {what} of this machine, got {config.trainer.devices}. "
            "Set trainer.devices."
        )
    if nodes < 1:
        raise ValueError(f"trainer.num_nodes must be at least 1, got {nodes}. Set trainer.num_nodes.")
    if config.data.batch_size < here * nodes:
        raise ValueError(
            f"data.batch_size must be at least the number of processes ({here * nodes}), got "
            f"{config.data.batch_size}. Raise data.batch_size, or lower trainer.devices."
        )


def check_unused(config: DictConfig, strategy: object) -> None:
    """Refuses a method that leaves trained weights out of a step where processes wait for every gradient.

    Args:
        config: resolved.
        strategy: as configured.

    Raises:
        ValueError: several processes, and a strategy that was not told.
    """
    parts = [config.tuning, *(part for part in config.tuning.values() if isinstance(part, DictConfig))]
    late = [p for p in parts if "_target_" in p and getattr(get_object(p["_target_"]), "trains_later", False)]
    told = isinstance(strategy, DDPStrategy) and strategy._ddp_kwargs.get("find_unused_parameters")
    if late and not told and math.prod(processes_of(config)) > 1:
        raise ValueError(
            f"tuning={named(late[0])} leaves weights out of a step that train later, and several processes wait for "
            "the gradient of each. Set strategy=ddp strategy.find_unused=true."
        )


def check_whole(config: DictConfig, strategy: object) -> None:
    """Refuses to take the tasks' gradients apart where a process has not all weights at once.

    What was gathered for a block's forward pass is gone when the losses are there, and PyTorch would end the first step
    with an error about mixed tensors.

    Args:
        config: resolved.
        strategy: as configured; one that does not hold all weights while a step is computed says ``splits = True``.

    Raises:
        ValueError: a method of balancing, or a look at the tasks' gradients, that needs them all.
    """
    if not getattr(strategy, "splits", False):
        return
    method, name = config.get("balancing"), type(strategy).__name__
    kind = get_object(method["_target_"]) if method else None
    if getattr(kind, "takes_gradients", False) or getattr(kind, "takes_norms", False):
        raise ValueError(
            f"balancing={named(method)} reads each task's gradient in all weights, and strategy={name} does not hold "
            f"them at once. {_WHOLE}, or balancing=fixed, uncertainty or dwa, which read losses alone."
        )
    every = config.task.get("cosines_every", 0)
    if every:
        raise ValueError(
            f"task.cosines_every={every} compares the tasks' gradients in all weights, and strategy={name} does not "
            f"hold them at once. {_WHOLE}, or task.cosines_every=0."
        )

"""A plan of a training: what each strategy needs on so many devices, where it fits, how long it takes, what to choose.

Times on devices that are not here are arithmetic over a share of a data sheet's peak: good for an order, not for a
promise. Baselines, validation and the start are left out.

Relations: ``probe`` measures on this processor; ``sizes`` has the formulas and the data sheets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hydra.utils import instantiate
from lightning import seed_everything
from omegaconf import DictConfig

from rec_lightning.data.module import RecData
from rec_lightning.runtime.build import build_strategy, build_task, count_parameters, rehearse
from rec_lightning.runtime.probe import Probe, probe
from rec_lightning.runtime.sizes import GPUS, Needs, ddp, fsdp2, seconds


@dataclass(frozen=True)
class Row:
    """One strategy on so many devices: bytes of each, bytes that each sends a step, hours of the run by GPU."""

    strategy: str
    devices: int
    memory: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    traffic: int
    hours: dict[str, float | None]  # None where it does not fit


@dataclass(frozen=True)
class Plan:
    """All of it; ``memory_here`` and ``seconds_here`` are those of one process on this processor."""

    parameters: int
    trainable: int
    steps_an_epoch: int
    steps: int
    flops: float
    seconds_here: float
    memory_here: int
    gpus: list[str]
    rows: list[Row]
    advice: str


def asked(gpu: str, devices: str) -> tuple[list[str], list[int]]:
    """Names of GPUs and numbers of devices, from text.

    Raises:
        ValueError: a name that is not known, or no number.

    Example:
        >>> asked("h100", "[1, 4]")
        (['H100'], [1, 4])
    """
    numbers = re.findall(r"-?\d+", devices)
    if not numbers or min(map(int, numbers)) < 1 or re.sub(r"[\d\s,\[\]]", "", devices):
        raise ValueError(f"devices must be numbers of at least 1, got {devices}. Set devices=[1,2,4].")
    if gpu in ("all", "cpu"):
        return (list(GPUS) if gpu == "all" else []), [int(n) for n in numbers]
    known = {name.lower(): name for name in GPUS}
    if gpu.lower() not in known:
        near = get_close_matches(gpu.lower(), known, n=1, cutoff=0.4)
        hint = f"; nearest: {known[near[0]]}" if near else ""
        raise ValueError(f"gpu must be one of {', '.join(GPUS)}, all or cpu, got {gpu}{hint}. Set gpu.")
    return [known[gpu.lower()]], [int(n) for n in numbers]


def plan(config: DictConfig, gpus: Sequence[str], devices: Sequence[int]) -> Plan:
    """Reads the data, builds the model, takes a few steps of a part of a batch.

    Args:
        config: resolved, of ``train``.
        gpus: names of ``GPUS``.
        devices: numbers of devices.

    Raises:
        ValueError: what ``train`` refuses.
        OSError: data or model cannot be had.
    """
    data: RecData = instantiate(config.data)
    build_strategy(config)
    rehearse(config, data)
    data.prepare()
    if config.label:
        data.label_events(instantiate(config.label, _convert_="all"))
    seed_everything(config.seed, verbose=False)
    task = build_task(config, data.catalog)
    if getattr(task, "needs_time", False):
        data.carry_times(str(task.without_times))
    found, counted = probe(config, data, task), count_parameters(task)
    steps = _steps(config.trainer, found.steps)
    rows = [
        _row(name, needs, found, world, gpus, steps, "bf16" in str(config.trainer.precision))
        for world in sorted({*devices})
        if world <= config.data.batch_size
        for name, needs in _choices(found, world)
    ]
    here = ddp(found.tensors, found.states, found.activations(1), 1).memory + found.beside
    return Plan(
        counted["total"], counted["trainable"], found.steps, steps, found.flops(1), found.seconds, here,
        list(gpus), rows, _advice(rows, gpus),
    )  # fmt: skip


def _steps(trainer: DictConfig, an_epoch: int) -> int:
    # batches until the first of the ends that are set
    epochs, most = trainer.max_epochs, trainer.get("max_steps")
    ends = [an_epoch * epochs] if epochs not in (None, -1) else []
    ends += [most * trainer.accumulate_grad_batches] if most not in (None, -1) else []
    return int(min(ends))


def _choices(found: Probe, world: int) -> list[tuple[str, Needs]]:
    activations = found.activations(world)
    if world == 1:
        return [("auto", ddp(found.tensors, found.states, activations, 1))]
    return [(kind.__name__, kind(found.tensors, found.states, activations, world)) for kind in (ddp, fsdp2)]


def _row(name: str, needs: Needs, found: Probe, world: int, gpus: Sequence[str], steps: int, half: bool) -> Row:
    hours: dict[str, float | None] = {}
    for gpu in gpus:
        step = seconds(found.flops(world), needs.traffic, GPUS[gpu], half, world)
        hours[gpu] = step * steps / 3600 if needs.fit(GPUS[gpu]) else None
    parts = (needs.weights, needs.gradients, needs.optimizer, needs.activations, needs.traffic)
    return Row(name, world, needs.memory, *parts, hours)


def _advice(rows: Sequence[Row], gpus: Sequence[str]) -> str:
    told = []
    for gpu in gpus:
        fitting = [row for row in rows if row.hours[gpu] is not None]
        if not fitting:
            told.append(f"{gpu}: none fits; lower data.batch_size, or tune less (tuning=lora).")
            continue
        # the fewest devices first; more of them where at least half of their arithmetic is used
        best = fitting[0]
        for row in fitting[1:]:
            faster = (best.hours[gpu] or 0.0) / (row.hours[gpu] or 1.0)
            if faster > max(1.0, row.devices / best.devices / 2):
                best = row
        told.append(f"{gpu}: strategy={best.strategy} trainer.devices={best.devices}.")
    return "\n".join(told) or "strategy=auto trainer.devices=1."

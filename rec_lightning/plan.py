"""Plan a training before it runs: memory, traffic, steps and time for each strategy and number of devices.

plan <options of train> [gpu=A100-80] [devices=[1,2,4,8]] [json=true]: takes a few steps of a part of a batch on this
processor, then formulas say what each strategy needs on each device, how long the run takes, where it fits, and what
to choose. gpu=all looks at every device that is known; gpu=cpu plans for this machine alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.refusal import refusing

if TYPE_CHECKING:
    from rec_lightning.runtime.planning import Plan

_OWN = ("gpu", "devices", "json")


def run(overrides: list[str]) -> int:
    """Compose, check, read, probe, tell.

    Args:
        overrides: options of ``train``, and ``gpu``, ``devices`` and ``json``.

    Raises:
        Refusal: the training would be refused, or no such device is known.
    """
    own = {key: value for key, _, value in (word.partition("=") for word in overrides) if key in _OWN}
    rest = [word for word in overrides if word.partition("=")[0] not in _OWN]
    with refusing():
        config = compose("train", rest)

        from rec_lightning.runtime.baseline_options import resolve_baselines
        from rec_lightning.runtime.light import import_torchmetrics

        resolve_baselines(config, rest)
        import_torchmetrics()

        from rec_lightning.runtime.check import check_signatures
        from rec_lightning.runtime.planning import asked, plan
        from rec_lightning.runtime.ranges import check_ranges

        check_signatures(config)
        check_ranges(config)
        gpus, devices = asked(own.get("gpu", "all"), own.get("devices", "[1,2,4,8]"))
        found = plan(config, gpus, devices)
    if own.get("json", "false").lower() == "true":
        print(json.dumps(asdict(found), indent=2))
    else:
        _show(found)
    return 0


def _show(found: Plan) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    head: dict[str, Any] = {
        "parameters": f"{found.parameters:,}, {found.trainable:,} train",
        "steps": f"{found.steps_an_epoch} an epoch, {found.steps} in all",
        "a step here": f"{found.seconds_here * 1e3:.0f} ms, {found.flops / 1e9:.1f} GFLOP",
        "memory here": f"{found.memory_here / 1e6:.0f} MB beside what Python and its libraries take",
    }
    facts = Table(show_header=False, title="plan", title_justify="left")
    for name, value in head.items():
        facts.add_row(name, value)
    console.print(facts)
    names = ("memory", "weights", "gradients", "optimizer", "activations", "traffic")
    needs = Table("strategy", "x", *names, title="MB of each device; traffic is what it sends a step",
                  title_justify="left")  # fmt: skip
    times = Table("strategy", "x", *found.gpus, title="time of the whole run", title_justify="left")
    for row in found.rows:
        start = row.strategy, str(row.devices)
        needs.add_row(*start, *(f"{getattr(row, name) / 1e6:,.1f}" for name in names))
        times.add_row(*start, *(_told(row.hours[name]) for name in found.gpus))
    console.print(needs)
    if found.gpus:
        console.print(times)
    console.print(found.advice, highlight=False)


def _told(hours: float | None) -> str:
    if hours is None:
        return "too small"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"

"""Scaling by the planner's own formulas, and what of it two processes on this processor say.

python experiments/scaling/scaling.py          # on paper, and measured: results.json, scaling.png, the README's tables
python experiments/scaling/scaling.py paper    # on paper alone; what was measured stays
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rec_lightning.runtime.alive import Alive
from rec_lightning.runtime.sizes import GPUS, Needs, Tensor, catalogue, ddp, fsdp2, seconds
from rec_lightning.runtime.strategies.fsdp2 import blocks
from rec_lightning.tuning.full import Full
from rec_lightning.tuning.houlsby import Houlsby
from rec_lightning.tuning.lora import Lora

HERE = Path(__file__).parent
WORLDS = (1, 2, 4, 8, 16, 32, 64)
METHODS: dict[str, Any] = {"full": Full, "LoRA": Lora, "adapters": Houlsby}
ITEMS, WIDTH = 100_000, 64  # of SASRec
# name -> architecture and its sizes, items or tokens of a row, rows of a device
MODELS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "SASRec, 10^5 ids": ("sasrec", {}, 50, 256),
    "MiniLM": (
        "bert",
        {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
        32,
        256,
    ),
    "SmolLM2-135M": (
        "llama",
        {"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
         "intermediate_size": 1536},
        128,
        32,
    ),
    "Qwen2.5-1.5B": (
        "qwen2",
        {"hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
         "intermediate_size": 8960},
        128,
        8,
    ),
}  # fmt: skip
CATALOGUE = {"positions": 8192, "width": 64, "drawn": 512}
STEPS, REPEATS, SMALL = 4, 7, {"rows": 48, "length": 50, "items": 2000}


class Sasrec(nn.Module):
    """Our backbone over a table of ids; the softmax is counted apart."""

    def __init__(self, items: int, length: int) -> None:
        super().__init__()
        from rec_lightning.backbones.sasrec import SASRec

        self.table, self.backbone = nn.Embedding(items + 1, WIDTH), SASRec(WIDTH, length, dropout=0.0)

    def forward(self, rows: int, length: int) -> torch.Tensor:
        from rec_lightning.contracts import Batch

        history = torch.ones(rows, length, dtype=torch.long, device=self.table.weight.device)
        batch = Batch(history[:, 0], history, history.sum(1), history[:, 0])
        return self.backbone.states(batch, self.table(history))


def model(name: str, method: str, device: str = "meta") -> nn.Module:
    """One with its method, its vocabulary left out where it is a language model over item vectors."""
    architecture, sizes, length, _ = MODELS[name]
    with torch.device(device):
        if architecture == "sasrec":
            return Sasrec(ITEMS, length)
        from transformers import AutoConfig, AutoModel

        made = AutoModel.from_config(AutoConfig.for_model(architecture, **sizes, use_cache=False))
        if architecture != "bert":
            made.set_input_embeddings(nn.Identity())
        tuned: nn.Module = METHODS[method]()(made, name, True)
        return tuned


def forward(made: nn.Module, name: str, rows: int) -> torch.Tensor:
    """The states of so many rows."""
    architecture, sizes, length, _ = MODELS[name]
    states: torch.Tensor
    if architecture == "sasrec":
        states = made(rows, length)
        return states
    if architecture == "bert":
        device = next(made.parameters()).device
        states = made(input_ids=torch.ones(rows, length, dtype=torch.long, device=device)).last_hidden_state
        return states
    device = next(made.parameters()).device
    given = torch.zeros(rows, length, sizes["hidden_size"], device=device, requires_grad=True)
    # a causal mask of its own, since one is not made from tensors without numbers
    mask = torch.full((length, length), -torch.inf, device=device).triu(1).expand(rows, 1, length, length)
    states = made(inputs_embeds=given, attention_mask=mask).last_hidden_state
    return states


def counted(name: str, method: str) -> dict[str, Any]:
    """Parameters, arithmetic and memory of a step, counted on tensors without numbers."""
    made = model(name, method)
    inside = {id(p) for block in blocks(made) for p in block.parameters()}
    tensors = [Tensor(tuple(p.shape), p.element_size(), p.requires_grad, id(p) in inside) for p in made.parameters()]
    trained = sum(t.bytes() for t in tensors if t.trains)
    peaks, flops, few = [], [], MODELS[name][3] // 2
    for rows in (few, 2 * few):
        made.zero_grad(set_to_none=True)
        with FlopCounterMode(display=False) as counter, Alive([*made.parameters(), *made.buffers()]) as alive:
            forward(made, name, rows).sum().backward()
        peaks.append(max(0, alive.peak - trained))
        flops.append(counter.get_total_flops())
    found = {
        "tensors": tensors,
        "flops": (flops[1] - flops[0]) / few,
        "row": max(0, peaks[1] - peaks[0]) // few,
        "fixed": max(0, 2 * peaks[0] - peaks[1]),
    }
    if MODELS[name][0] == "sasrec":
        found["flops"] += 6 * MODELS[name][2] * ITEMS * WIDTH  # logits, and the slopes of both sides
    return found


def needs(name: str, found: dict[str, Any], rows: float, world: int) -> dict[str, Needs]:
    """By strategy, of one of so many devices with so many rows each."""
    activations = round(found["fixed"] + found["row"] * rows)
    if MODELS[name][0] == "sasrec":
        activations += catalogue(ITEMS, WIDTH, round(rows * MODELS[name][2]), "chunked").activations
    given = found["tensors"], 2.0, activations, world
    return {"auto": ddp(*given)} if world == 1 else {"ddp": ddp(*given), "fsdp2": fsdp2(*given)}


def step(name: str, found: dict[str, Any], rows: float, world: int, gpu: str) -> tuple[str, float] | None:
    """The strategy that is fastest of those that fit, and seconds of its step; None where none fits."""
    choices = [
        (seconds(found["flops"] * rows, need.traffic, GPUS[gpu], True, world), strategy)
        for strategy, need in needs(name, found, rows, world).items()
        if need.fit(GPUS[gpu])
    ]
    return (min(choices)[1], min(choices)[0]) if choices else None


def paper(name: str, method: str) -> dict[str, Any]:
    """A model with a method: its sizes, and its steps on 1 to 64 devices."""
    found, rows = counted(name, method), MODELS[name][3]
    alone = ddp(found["tensors"], 2.0, 0, 1)
    return {
        "model": name,
        "method": method,
        "parameters": alone.weights // 4,
        "trained": alone.gradients // 4,
        "gflop_a_row": found["flops"] / 1e9,
        "activations_a_row": found["row"],
        "sent": {world: {s: n.traffic for s, n in needs(name, found, rows, world).items()} for world in WORLDS},
        "weak": {gpu: {w: step(name, found, rows, w, gpu) for w in WORLDS} for gpu in ("A100-80", "H100")},
        "strong": {gpu: {w: step(name, found, rows * 8 / w, w, gpu) for w in WORLDS} for gpu in ("A100-80", "H100")},
    }


def catalogues() -> list[dict[str, Any]]:
    """A table of ids and its softmax on one device, from 10^4 to 10^8 items, and split over eight."""
    rows = []
    for power in range(4, 9):
        for loss, world in (("full", 1), ("chunked", 1), ("sampled", 1), ("split", 8)):
            need = catalogue(10**power, CATALOGUE["width"], CATALOGUE["positions"], loss, world, CATALOGUE["drawn"])
            fits = [gpu for gpu, facts in GPUS.items() if need.fit(facts)]
            rows.append({
                "items": 10**power, "loss": loss, "devices": world, "table": need.weights, "logits": need.activations,
                "memory": need.memory, "fits": fits,
            })  # fmt: skip
    return rows


def pairs() -> list[tuple[str, str]]:
    """Models and the methods that go with them; ids have nothing pretrained to adapt."""
    return [(name, method) for name in MODELS for method in METHODS if method == "full" or name != "SASRec, 10^5 ids"]


def work(place: str) -> int:
    """One of two processes: the bytes of a step by method, and steps alone and together, in turn."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, sent = dist.get_rank(), [0]

    def hook(_, bucket):  # type: ignore[no-untyped-def]  # torch refuses annotations that are strings
        sent[0] += bucket.buffer().numel() * bucket.buffer().element_size()
        return dist.all_reduce(bucket.buffer(), async_op=True).get_future().then(lambda done: done.value()[0] / 2)

    bytes_seen = {}
    for name, method in [("SASRec, 10^5 ids", "full"), *(("MiniLM", method) for method in METHODS)]:
        wrapped = DistributedDataParallel(Counted(name, model(name, method, "cpu")), find_unused_parameters=True)
        wrapped.register_comm_hook(None, hook)
        sent[0] = 0
        wrapped(1).sum().backward()
        bytes_seen[f"{name}, {method}"] = {"measured": sent[0], "planned": paper_bytes(name, method)}
        del wrapped
    torch.manual_seed(0)
    learner = Learner()
    both = DistributedDataParallel(learner)
    kinds: dict[str, Callable[[], None]] = {
        "alone": lambda: None if rank else learner.step(SMALL["rows"]),
        "strong": lambda: learner.step(SMALL["rows"] // 2, both),
        "weak": lambda: learner.step(SMALL["rows"], both),
    }
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for repeat in range(REPEATS + 1):
        for kind, run in kinds.items():
            dist.barrier()
            clock, spent = time.perf_counter(), time.process_time()
            for _ in range(STEPS):
                run()
            if repeat:  # the first one warms up
                times[kind].append(((time.perf_counter() - clock) / STEPS, (time.process_time() - spent) / STEPS))
    if rank == 0:
        found = {"bytes": bytes_seen, "steps": times, "load": os.getloadavg(), "trained": learner.trained}
        Path(place).write_text(json.dumps(found))
    dist.destroy_process_group()
    return 0


def paper_bytes(name: str, method: str) -> int:
    """Of the gradients of a step, as the planner counts them: of two processes each sends as much as it has."""
    return ddp(counted(name, method)["tensors"], 2.0, 0, 2).traffic


class Counted(nn.Module):
    """A model whose forward pass takes a number of rows."""

    def __init__(self, name: str, made: nn.Module) -> None:
        super().__init__()
        self.name, self.made = name, made

    def forward(self, rows: int) -> torch.Tensor:
        return forward(self.made, self.name, rows)


class Learner(nn.Module):
    """SASRec over ids with a full softmax and SGD."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Sasrec(SMALL["items"], SMALL["length"])
        self.trained = sum(p.numel() for p in self.parameters())

    def forward(self, rows: int) -> torch.Tensor:
        logits = self.model(rows, SMALL["length"]).flatten(0, 1) @ self.model.table.weight.T
        return nn.functional.cross_entropy(logits, torch.ones(len(logits), dtype=torch.long))

    def step(self, rows: int, wrapped: nn.Module | None = None) -> None:
        """One with so many rows, alone or as one of two processes."""
        self.zero_grad(set_to_none=True)
        (wrapped or self)(rows).backward()
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=0.01)


def measured(place: Path) -> dict[str, Any]:
    """What two processes saw."""
    from rec_lightning.runtime.starting import start

    assert start(work, str(place), 2) == 0
    return summed(json.loads(place.read_text()))


def summed(seen: dict[str, Any]) -> dict[str, Any]:
    """Medians of the repeats, and of their ratios to the step alone in the same repeat."""
    steps = seen.pop("steps")
    told = {}
    for kind, values in steps.items():
        ratios = [[value[n] / alone[n] for value, alone in zip(values, steps["alone"], strict=True)] for n in (0, 1)]
        told[kind] = {
            "wall": median(v[0] for v in values),
            "cpu": median(v[1] for v in values),
            "wall_ratio": median(ratios[0]),
            "wall_ratios": [min(ratios[0]), max(ratios[0])],
            "cpu_ratio": median(ratios[1]),
            "cpu_ratios": [min(ratios[1]), max(ratios[1])],
        }
    return seen | {"steps": told, "steps_a_repeat": STEPS, "repeats": REPEATS, **SMALL}


def tables(found: dict[str, Any]) -> dict[str, str]:
    """The README's tables by name."""
    lines = [
        "| model | method | parameters | trained | GFLOP a row | sent a step, 8 | weak: ms at 1 / 8 / 64 | strong: x at 8 / 64 |",  # noqa: E501
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found["paper"]:
        weak, strong = row["weak"]["H100"], row["strong"]["H100"]
        times = " / ".join(_ms(weak[str(w)]) for w in (1, 8, 64))
        speed = " / ".join(_speed(strong, w) for w in (8, 64))
        name = "ddp" if "ddp" in row["sent"]["8"] else "auto"
        lines.append(
            f"| {row['model']} | {row['method']} | {row['parameters'] / 1e6:,.1f} M | {row['trained'] / 1e6:,.2f} M | "
            f"{row['gflop_a_row']:,.2f} | {row['sent']['8'][name] / 1e6:,.1f} MB | {times} | {speed} |"
        )
    models = "\n".join(lines)
    lines = ["| items | table | full | chunked | sampled | split over 8 |", "|---|---|---|---|---|---|"]
    for power in range(4, 9):
        rows = {row["loss"]: row for row in found["catalogues"] if row["items"] == 10**power}
        cells = [f"{_gb(rows[loss]['logits'])}; {_smallest(rows[loss]['fits'])}" for loss in rows]
        lines.append(f"| 10^{power} | {_gb(rows['full']['table'])} | " + " | ".join(cells) + " |")
    catalogue_lines, lines = "\n".join(lines), ["| model, method | planned | measured |", "|---|---|---|"]
    seen = found["measured"]
    for name, row in seen["bytes"].items():
        lines.append(f"| {name} | {row['planned']:,} | {row['measured']:,} |")
    traffic = "\n".join(lines)
    lines = ["| | wall / alone | CPU-seconds of a process / alone |", "|---|---|---|"]
    for kind, what in (("strong", "two, each half of the rows"), ("weak", "two, each all of the rows")):
        row = seen["steps"][kind]
        cells = [
            f"{row[f'{n}_ratio']:.2f} [{row[f'{n}_ratios'][0]:.2f}, {row[f'{n}_ratios'][1]:.2f}]"
            for n in ("wall", "cpu")
        ]
        lines.append(f"| {kind}: {what} | {cells[0]} | {cells[1]} |")
    return {"models": models, "catalogues": catalogue_lines, "bytes": traffic, "steps": "\n".join(lines)}


def _ms(told: Any) -> str:
    return "does not fit" if told is None else f"{1e3 * told[1]:,.0f}{' (fsdp2)' if told[0] == 'fsdp2' else ''}"


def _speed(strong: dict[str, Any], world: int) -> str:
    if strong["1"] is None or strong[str(world)] is None:
        return "none"
    return f"{strong['1'][1] / strong[str(world)][1]:.1f}"


def _gb(number: int) -> str:
    return f"{number / 1e9:,.2f} GB" if number >= 1e8 else f"{number / 1e6:,.1f} MB"


def _smallest(fits: list[str]) -> str:
    return min(fits, key=lambda gpu: GPUS[gpu].memory_gb) if fits else "none"


def filled(text: str, found: dict[str, Any]) -> str:
    """The README with its tables as of the results."""
    for name, table in tables(found).items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        text = before + f"<!-- {name} -->\n{table}\n<!-- end -->" + rest.partition("<!-- end -->")[2]
    return text


def draw(found: dict[str, Any], place: Path) -> None:
    """Speed against devices with a fixed batch, by model and method."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, gpu in zip(axes, ("A100-80", "H100"), strict=True):
        for row in found["paper"]:
            strong = row["strong"][gpu]
            points = [(w, strong["1"][1] / strong[str(w)][1]) for w in WORLDS if strong["1"] and strong[str(w)]]
            if points:
                style = {"full": "-", "LoRA": "--", "adapters": ":"}[row["method"]]
                colour = f"C{list(MODELS).index(row['model'])}"
                axis.plot(*zip(*points, strict=True), style, color=colour, label=f"{row['model']}, {row['method']}")
        axis.plot(WORLDS, WORLDS, color="0.8", zorder=0)
        axis.set(xscale="log", yscale="log", xlabel="devices", title=f"{gpu}, a fixed batch (on paper)")
        axis.set_xticks(WORLDS, [str(w) for w in WORLDS])
    axes[0].set_ylabel("times as fast as one device")
    axes[1].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(place, dpi=120)


def main(only_paper: bool) -> None:
    """Writes all of it."""
    from rec_lightning.runtime.manifest import hardware

    results = HERE / "results.json"
    before = json.loads(results.read_text()) if results.exists() else {}
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "paper": [paper(name, method) for name, method in pairs()],
        "catalogues": catalogues(),
        "catalogue": CATALOGUE,
    }
    if only_paper:
        kept = {"measured": before["measured"]}
    else:
        kept = {"measured": measured(HERE / "seen.json") | {"hardware": hardware(), "date": found["date"]}}
        (HERE / "seen.json").unlink()
    results.write_text(json.dumps(found | kept, indent=1) + "\n")
    found = json.loads(results.read_text())
    draw(found, HERE / "scaling.png")
    readme = HERE / "README.md"
    readme.write_text(filled(readme.read_text(), found))


if __name__ == "__main__":
    main(sys.argv[1:] == ["paper"])

"""What a step costs under fine-tuning methods: from the cache or encoded again, LoRA against full, padding of texts.

    python tests/benchmarks/bench_tuning.py [repeats]

MiniLM over the film texts of MovieLens-100K, 48 items encoded a step, SASRec and a loss over the whole catalogue, as
`rec-lightning train` has it. "48 again" encodes as many items a step without states from the cache, the others come
from the bank, which is a cache itself; "all again" keeps nothing and encodes every item that the loss asks for. Where
layers train, their own arithmetic bounds what a cache of those below can save. Seconds are processor time of this
process on one thread; cases that are compared take turns, and the median over the repeats is told. The first step of
each, which fills the cache, is told apart.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
FRESH = 48
CHUNKS = (256, 512, 1024, 2048, 8192)
METHODS = (("full", "full"), ("lora, all layers", "lora", "tuning.layers=null"), ("lora, as configured", "lora"))


def made(catalog: Any, choice: str, *overrides: str) -> Any:
    """A task under one method."""
    import torch

    from rec_lightning.runtime.build import build_task
    from rec_lightning.runtime.composition import compose

    torch.manual_seed(0)
    return build_task(compose("train", [f"tuning={choice}", f"items.fresh={FRESH}", *overrides]), catalog).train()


def encoding_again(task: Any, fresh: int | None) -> Any:
    """The same task without cache: each step runs the encoder over so many items, or over all."""
    import torch

    from rec_lightning.contracts import Aside

    items = task.items

    def pooled(asked: Any) -> Any:
        out = items.projection.weight.new_zeros(len(asked), items.projection.in_features)
        aside = isinstance(items.encoder, Aside)
        trains = any(p.requires_grad for p in items.encoder.parameters()) and not aside
        for rows, ids, mask in items.tokens.chunks(asked):
            with nullcontext() if trains else torch.no_grad():
                encoder = items.encoder.frozen if aside else items.encoder
                found = encoder(input_ids=ids, attention_mask=mask, output_hidden_states=aside)
            if aside:
                states = torch.stack([items._pool(layer, mask) for layer in found.hidden_states], 1)
                out = out.index_put((rows,), items.encoder.beside(states))
            else:
                out = out.index_put((rows,), items._pool(found.last_hidden_state, mask))
        return out

    def asked_for(every: Any) -> Any:
        if fresh is None:
            return pooled(every)
        if items.bank.numel() == 0:
            items.bank = torch.zeros(items.size + 1, items.projection.in_features)
        chosen = torch.randperm(items.size)[:fresh] + 1
        full = items.bank.index_put((chosen,), pooled(chosen))
        items.bank = full.detach()
        return full

    items._asked_for = asked_for
    return task


class Case:
    """A task, its optimizer and the processor seconds of its steps."""

    def __init__(self, task: Any) -> None:
        import torch

        self.task, self.seconds, self.tables = task, list[float](), list[float]()
        task.log = lambda *_, **__: None
        true = task.items.table

        def table() -> Any:
            start = time.process_time()
            found = true()
            self.tables.append(time.process_time() - start)
            return found

        task.items.table = table
        self.optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-4)

    def step(self, batch: Any) -> None:
        start = time.process_time()
        self.optimizer.zero_grad()
        self.task.training_step(batch, 0).backward()
        self.optimizer.step()
        self.seconds.append(time.process_time() - start)

    @property
    def figures(self) -> dict[str, float]:
        step, table = median(self.seconds[1:]), median(self.tables[1:])
        return {
            "step s": round(step, 4),
            "its texts, forward s": round(table, 4),
            "first step s": round(self.seconds[0], 2),
        }


def compare(cases: dict[str, Case], batches: Any, repeats: int) -> dict[str, Any]:
    """Steps of all cases in turn."""
    stream = iter(batches)
    for _ in range(repeats + 1):
        batch = next(stream)
        for case in cases.values():
            case.step(batch)
    return {name: case.figures for name, case in cases.items()}


def padding(tokens: Any, chosen: Any) -> float:
    """Share of the encoded tokens that are padding."""
    masks = [mask for _, __, mask in tokens.chunks(chosen)]
    return round(1 - sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks), 3)


def main() -> None:
    """Prints one line of JSON a comparison."""
    import torch
    from hydra.utils import instantiate

    from rec_lightning.runtime.composition import compose

    torch.set_num_threads(1)
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    config = compose("train", [])
    data = instantiate(config.data)
    data.prepare()
    catalog, batches = data.catalog, data.train_dataloader()
    for choice in ("frozen", "side", "top_layers"):
        three = {"cached": Case(made(catalog, choice))}
        for name, fresh in (("48 again", FRESH), ("all again", None)):
            three[name] = Case(encoding_again(made(catalog, choice), fresh))
        found = compare(three, batches, repeats)
        ratio = {
            name: {
                what: round(found[name][what] / found["cached"][what], 1) for what in ("step s", "its texts, forward s")
            }
            for name in ("48 again", "all again")
        }
        print(json.dumps({"method": choice, **found, "times faster": ratio}), flush=True)
    cases = {
        f"{name}, {chunk} tokens": Case(made(catalog, choice, f"items.chunk_tokens={chunk}", *overrides))
        for name, choice, *overrides in METHODS
        for chunk in CHUNKS
    }
    found = compare(cases, batches, repeats)
    print(json.dumps(found), flush=True)
    for chunk in CHUNKS:
        full, *others = (found[f"{name}, {chunk} tokens"]["step s"] for name, *_ in METHODS)
        ratio = {name: round(other / full, 2) for (name, *_), other in zip(METHODS[1:], others, strict=True)}
        print(json.dumps({"chunk_tokens": chunk, "step relative to full's": ratio}), flush=True)
    tokens = next(iter(cases.values())).task.items.tokens
    few, every = torch.randperm(catalog.size)[:FRESH] + 1, torch.arange(1, catalog.size + 1)
    tokens.chunk_tokens = 8192
    shares = {"whole catalogue": padding(tokens, every)}
    width = int(tokens.length.max())
    for chunk in CHUNKS:
        tokens.chunk_tokens = chunk
        shares[f"48 items in chunks of {chunk} tokens"] = padding(tokens, few)
    shares["no buckets"] = round(1 - int(tokens.length.sum()) / (catalog.size * width), 3)
    print(json.dumps({"padding share": shares}))


if __name__ == "__main__":
    main()

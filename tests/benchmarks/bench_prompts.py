"""Tokens a second of the prompt scorer against a plain loop of transformers, and what one history for many saves.

    python tests/benchmarks/bench_prompts.py [repeats] [max_length]

SmolLM2-135M over MovieLens-100K, the prompts of `rec-lightning train task=prompt`. Seconds are processor time of this
process on one thread; cases take turns on the same rows, and the median over the repeats is told, so a loaded machine
changes ratios little. Tokens are the real ones, padding not counted. The plain loops read batches of eight texts in
the order of the data, padded to the longest: once as examples show it, with the logits of every token, and once with
those of the last token alone. Prefix: 20 candidates a user, with and without a history read once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROWS, TRAINED, USERS, CANDIDATES, BATCH = 32, 8, 2, 20, 8


def made(max_length: int) -> tuple[Any, Any]:
    """The backbone with LoRA as configured, and the first rows of its training and of its test."""
    import torch
    from hydra.utils import instantiate

    from rec_lightning.runtime.build import build_task
    from rec_lightning.runtime.composition import compose

    config = compose("train", ["task=prompt", f"max_length={max_length}", f"data.batch_size={ROWS}"])
    data = instantiate(config.data)
    data.prepare()
    data.label_events(instantiate(config.label, _convert_="all"))
    torch.manual_seed(0)
    return build_task(config, data.catalog).backbone, next(iter(data.train_dataloader()))


def measured(cases: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each case, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.process_time()
            case()
            seconds[name].append(time.process_time() - start)
    return {name: median(found) for name, found in seconds.items()}


def told(what: str, tokens: int, seconds: dict[str, float], ours: str) -> None:
    """One line of JSON: tokens a second, and how many times faster ``ours`` is than each."""
    print(
        json.dumps(
            {
                "what": what,
                "tokens": tokens,
                "tokens a CPU-second": {name: round(tokens / s) for name, s in seconds.items()},
                "times": {name: round(s / seconds[ours], 2) for name, s in seconds.items() if name != ours},
            }
        ),
        flush=True,
    )


class Plain:
    """What one would write without this project: texts, padding, the whole model.

    Args:
        backbone: whose tuned trunk, words and texts are used.
        whole: the model with its output layer, around the same trunk.
    """

    def __init__(self, backbone: Any, whole: Any, words: list[int]) -> None:
        self.whole, self.words = whole, words
        self.tokenizer = backbone.prompts.texts.tokenizer
        self.tokenizer.padding_side = "left"

    def logits(self, texts: list[str], last_only: bool) -> Any:
        """(n, W)."""
        import torch

        found = []
        for first in range(0, len(texts), BATCH):
            given = self.tokenizer(texts[first : first + BATCH], padding=True, return_tensors="pt")
            more = {"logits_to_keep": 1} if last_only else {}
            found.append(self.whole(**given, **more).logits[:, -1, self.words])
        return torch.cat(found)

    def step(self, texts: list[str], labels: Any) -> None:
        """Forward and backward, the loss over the whole vocabulary at the answer, as causal models are tuned."""
        import torch

        for first in range(0, len(texts), BATCH):
            given = self.tokenizer(texts[first : first + BATCH], padding=True, return_tensors="pt")
            answer = torch.tensor(self.words)[labels[first : first + BATCH].long()]
            torch.nn.functional.cross_entropy(self.whole(**given).logits[:, -1], answer).backward()


def main() -> None:
    """Prints one line of JSON a comparison."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    backbone, rows = made(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    tokenizer = backbone.prompts.texts.tokenizer
    whole = AutoModelForCausalLM.from_pretrained(folder())
    whole.model = backbone.model  # the same weights, tuned as ours
    words = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in (" no", " yes")]
    plain, nothing = Plain(backbone, whole, words), torch.empty(0)
    made_ids = backbone.prompts(rows).ids
    texts, tokens = [tokenizer.decode(ids) for ids in made_ids], sum(map(len, made_ids))
    backbone.eval()
    whole.eval()
    with torch.no_grad():
        gap = (plain.logits(texts, False) - backbone.states(rows, nothing)[:, 0]).abs().max()
        assert gap < 1e-2, f"the two must say the same, and differ by {gap}"
        cases = {
            "plain": lambda: plain.logits(texts, False),
            "plain, last logits": lambda: plain.logits(texts, True),
            "ours": lambda: backbone.states(rows, nothing),
        }
        told(f"scoring {ROWS} rows", tokens, measured(cases, repeats), "ours")
    few = rows._map(lambda x: x[:TRAINED])
    ids = backbone.prompts(few).ids

    def step() -> None:
        scores = backbone.states(few, nothing)[:, 0]
        torch.nn.functional.cross_entropy(scores, few.label[:, 0].long()).backward()

    cases = {"plain": lambda: plain.step(texts[:TRAINED], few.label[:, 0]), "ours": step}
    told(f"training on {TRAINED} rows", sum(map(len, ids)), measured(cases, repeats), "ours")
    generator = torch.Generator().manual_seed(0)
    many = rows._map(lambda x: x[:USERS])
    many = replace(many, candidate=torch.randint(1, 1683, (USERS, CANDIDATES), generator=generator))
    ids = backbone.prompts(many).ids

    def scored(share: bool) -> Any:
        backbone.share = share
        return backbone.states(many, nothing)

    with torch.no_grad():
        assert torch.allclose(scored(True), scored(False), atol=1e-2)
        cases = {"each by itself": lambda: scored(False), "history once": lambda: scored(True)}
        what = f"{CANDIDATES} candidates of {USERS} users"
        told(what, sum(map(len, ids)), measured(cases, repeats), "history once")


def folder() -> str:
    """Where the model lies."""
    from rec_lightning.language_models import PACKED, locate

    return locate(next(iter(PACKED)))


if __name__ == "__main__":
    main()

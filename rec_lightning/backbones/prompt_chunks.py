"""Prompts through a model in chunks of about equal length, so that next to no padding is computed.

Padding stands at the right. A causal model never sees it from a real token, and the positions of real tokens are what
they are without it, so it needs no mask; a model that sees both sides gets one.

Relations: ``prompt_lm`` and ``prompt_encoder`` run their models so; ``items/tokens`` does the same for items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rec_lightning.backbones.prompt_texts import Ints

# n prompts of a chunk, T tokens

ON_CPU, ELSEWHERE = 1024, 16384  # on a CPU padding costs as much as text; elsewhere small chunks leave the device idle


def check_chunk(chunk_tokens: int | None) -> None:
    """Refuses a chunk of no tokens.

    Raises:
        ValueError: it is below 1.
    """
    if chunk_tokens is not None and chunk_tokens < 1:
        raise ValueError(f"backbone.chunk_tokens must be at least 1, got {chunk_tokens}. Set backbone.chunk_tokens.")


def chunks(
    prompts: Sequence[Ints], device: torch.device, chunk_tokens: int | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Chunks that cover all prompts, the shortest first.

    Args:
        prompts: token ids.
        device: where the chunks are wanted.
        chunk_tokens: upper bound of n * T (a longer prompt is a chunk of its own); null for what suits the device.

    Yields:
        places (n,) of the prompts, ids (n, T) padded at the right, length (n,).
    """
    most = chunk_tokens or (ON_CPU if device.type == "cpu" else ELSEWHERE)
    length = np.array([len(prompt) for prompt in prompts])
    order = np.argsort(length, kind="stable")
    first = 0
    while first < len(order):
        # lengths ascend, so the last row of a chunk sets its width
        sizes = length[order[first:]] * np.arange(1, len(order) - first + 1)
        rows = order[first : first + max(1, int(np.searchsorted(sizes, most, side="right")))]
        ids = np.zeros((len(rows), length[rows[-1]]), np.int64)
        for place, row in enumerate(rows):
            ids[place, : length[row]] = prompts[row]
        yield tuple(torch.from_numpy(x).to(device) for x in (rows, ids, length[rows]))  # type: ignore[misc]
        first += len(rows)

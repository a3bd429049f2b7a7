"""Exact full softmax whose logits are never stored: computed, used and dropped for a few rows at a time.

Loss and gradients are both taken in the forward pass, chunk by chunk, while the chunk's logits lie in the cache. The
idea is that of Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", ICLR 2025,
https://arxiv.org/abs/2411.09009. What differs: rows only are cut (a catalogue's logits fit for some hundred rows), no
gradient is filtered, so the value and the gradients are exact.

Relations: the same number as ``full_softmax`` without label smoothing; its memory is P * M numbers, here
``rows`` * M.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# P positions, M rows of keys, D width


class ChunkedSoftmax(nn.Module):
    """Mean over positions of ``-log softmax(queries @ keys.T)[target]``.

    Args:
        rows: positions whose logits exist at the same time; at least 1.
    """

    def __init__(self, rows: int = 256) -> None:
        super().__init__()
        if rows < 1:
            raise ValueError(f"loss.rows must be at least 1, got {rows}. Set loss.rows.")
        self.rows = rows

    def negatives(self, target: Tensor, catalog_size: int) -> None:
        """The whole catalogue is scored."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, 1..M - 1 -> scalar. Row 0 of keys is the padding and never scored."""
        out: Tensor = _Chunked.apply(queries, keys, target, self.rows)  # type: ignore[no-untyped-call]
        return out


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, target: Tensor, rows: int) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        query_grad, key_grad = torch.empty_like(queries), torch.zeros_like(keys, dtype=torch.float32)
        total, items = queries.new_zeros((), dtype=torch.float32), keys[1:]
        for first in range(0, len(queries), rows):
            part = slice(first, first + rows)
            logits = (queries[part] @ items.T).float()
            column = (target[part] - 1).unsqueeze(1)
            aim = logits.gather(1, column)
            log_sum = logits.logsumexp(1, keepdim=True)
            total += (log_sum - aim).sum()
            if wanted:
                # softmax minus the target's one, in place of the logits
                slope = logits.sub_(log_sum).exp_()
                slope.scatter_add_(1, column, slope.new_full((), -1.0).expand_as(column))
                slope = slope.to(queries.dtype)
                query_grad[part] = slope @ items
                key_grad[1:] += slope.T @ queries[part]  # autocast decides in what precision
        if wanted:
            ctx.save_for_backward(query_grad.div_(len(queries)), key_grad.div_(len(queries)).to(keys.dtype))
        return total / len(queries)

    @staticmethod
    @once_differentiable  # a second derivative is refused
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query_grad, key_grad = ctx.saved_tensors
        return query_grad * grads[0], key_grad * grads[0], None, None

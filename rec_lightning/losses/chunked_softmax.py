"""Exact full softmax whose logits are never stored: computed, used and dropped for a few rows at a time.

Loss and gradients are both taken in the forward pass, chunk by chunk, while the chunk's logits lie in the cache. The
idea is that of Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", ICLR 2025,
https://arxiv.org/abs/2411.09009. What differs: rows only are cut (a catalogue's logits fit for some hundred rows), no
gradient is filtered, so the value and the gradients are exact.

Relations: the same number as ``full_softmax``, whose memory is P * M numbers a copy, here ``rows`` * M. ``auto``
chooses between the two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rec_lightning.contracts import Catalog

# P positions, M rows of keys, D width


class ChunkedSoftmax(nn.Module):
    """Mean over positions of ``-log softmax(queries @ keys.T)[target]``.

    Args:
        rows: positions whose logits exist at the same time, at least 1; None takes as many as fit the cache.
        label_smoothing: share of the target spread over the catalogue, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, rows: int | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if rows is not None and rows < 1:
            raise ValueError(f"loss.rows must be at least 1, got {rows}. Set loss.rows.")
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"loss.label_smoothing must be in [0, 1), got {label_smoothing}. Set loss.label_smoothing."
            )
        self.rows, self.label_smoothing = rows, label_smoothing

    def prepare(self, catalog: Catalog) -> None:
        """Any catalogue will do."""

    def negatives(self, target: Tensor) -> None:
        """The whole catalogue is scored."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, 1..M - 1 -> scalar. Row 0 of keys is the padding and never scored."""
        rows = self.rows or fitting_rows(len(keys), queries.device.type)
        out: Tensor = _Chunked.apply(queries, keys, target, rows)  # type: ignore[no-untyped-call]
        if self.label_smoothing:
            # a share e of the target goes to every item alike: the loss grows by e * (target's score - mean score)
            lead = keys[target] - keys[1:].mean(0)
            out = out + self.label_smoothing * (queries * lead).sum(1).float().mean()
        return out


def fitting_rows(columns: int, device: str) -> int:
    """A power of two of rows whose logits over so many items stay in a processor's cache (2 MB), else take 256 MB.

    Example:
        >>> [fitting_rows(items, "cpu") for items in (1_683, 12_102, 1_000_000)]
        [256, 64, 32]
    """
    fewest, most, numbers = (32, 256, 1 << 19) if device == "cpu" else (256, 8192, 1 << 26)
    return min(most, max(fewest, 1 << (numbers // max(columns, 1)).bit_length()))


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
            aim, top = logits.gather(1, column), logits.amax(1, keepdim=True)
            slope = logits.sub_(top).exp_()  # in place of the logits; its rows sum to ``mass``
            mass = slope.sum(1, keepdim=True)
            total += (top - aim + mass.log()).sum()
            if wanted:
                # mass times (softmax minus the target's one); the small factors are divided, not the logits
                slope = slope.scatter_add_(1, column, -mass).to(queries.dtype)
                query_grad[part] = (slope @ items) / mass  # autocast decides in what precision
                key_grad[1:].add_(slope.T @ (queries[part] / mass).to(queries.dtype))
        if wanted:
            ctx.save_for_backward(query_grad.div_(len(queries)), key_grad.div_(len(queries)).to(keys.dtype))
        return total / len(queries)

    @staticmethod
    @once_differentiable  # a second derivative is refused
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        query_grad, key_grad = ctx.saved_tensors
        return query_grad * grads[0], key_grad * grads[0], None, None

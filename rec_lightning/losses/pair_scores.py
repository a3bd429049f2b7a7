"""Scores of items that each position has of its own, in bounded memory, with their own backward.

A product of ``keys[items]`` with the queries would store a vector of each pair, P * K * D numbers, and scatter as many
in the backward. Here a few positions at a time are scored, and the gradients are weighted sums of rows (an embedding
bag): of keys for each position, of queries for each item. Where the items of a position are a good part of all, the
whole product of a few positions is made in place of it, and what is asked for is read from it.

Relations: ``scores`` asks for negatives of each position; ``chunked_softmax`` cuts its rows in the same way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from rec_lightning.losses.chunked_softmax import fitting_rows

# P positions, K items of each, M rows of keys, D width

_SPARSE = 24  # times K: with fewer rows of keys the whole product is faster, as measured on one core


def pair_scores(queries: Tensor, keys: Tensor, items: Tensor) -> Tensor:
    """(P, D), (M, D), rows of keys (P, K) -> products (P, K), under autocast in its type."""
    device = queries.device.type
    if torch.is_autocast_enabled(device):
        queries, keys = (x.to(torch.get_autocast_dtype(device)) for x in (queries, keys))
    way = _Whole if len(keys) <= _SPARSE * items.shape[1] else _Rows
    with torch.autocast(device, enabled=False):
        out: Tensor = way.apply(queries, keys, items)  # type: ignore[no-untyped-call]
    return out


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, items: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, items)
        # positions whose rows of keys take 1 MB on a processor, 256 MB elsewhere
        numbers = 1 << (18 if queries.device.type == "cpu" else 26)
        rows = max(1, numbers // (items.shape[1] * keys.shape[1]))
        scores = queries.new_empty(items.shape)
        for own, of, out in zip(queries.split(rows), items.split(rows), scores.split(rows), strict=True):
            # written in place: pieces to be joined later lie between the large ones, which then cost new pages
            torch.bmm(F.embedding(of, keys), own.unsqueeze(2), out=out.unsqueeze(2))
        return scores

    @staticmethod
    @once_differentiable  # a second derivative is refused
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        queries, keys, items = ctx.saved_tensors
        slope, query_grad, key_grad = _wide(grads[0]), None, None
        if ctx.needs_input_grad[0]:
            query_grad = F.embedding_bag(items, _wide(keys), mode="sum", per_sample_weights=slope).to(queries.dtype)
        if ctx.needs_input_grad[1]:
            item, pair = items.flatten().sort()
            ends = torch.searchsorted(item, torch.arange(len(keys) + 1, device=items.device))
            key_grad = F.embedding_bag(
                pair // items.shape[1], _wide(queries), ends, mode="sum", include_last_offset=True,
                per_sample_weights=slope.flatten()[pair],
            ).to(keys.dtype)  # fmt: skip
        return query_grad, key_grad, None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, items: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, items)
        rows = fitting_rows(len(keys), queries.device.type)
        scores = queries.new_empty(items.shape)
        for own, of, out in zip(queries.split(rows), items.split(rows), scores.split(rows), strict=True):
            torch.gather(own @ keys.T, 1, of, out=out)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        queries, keys, items = ctx.saved_tensors
        rows = fitting_rows(len(keys), queries.device.type)
        query_grad, key_grad = torch.empty_like(queries), torch.zeros_like(keys, dtype=_wide(keys).dtype)
        for first in range(0, len(queries), rows):
            part = slice(first, first + rows)
            slope = queries.new_zeros(len(queries[part]), len(keys)).scatter_add_(1, items[part], grads[0][part])
            if ctx.needs_input_grad[0]:
                query_grad[part] = slope @ keys
            if ctx.needs_input_grad[1]:
                key_grad += slope.T @ queries[part]
        needed = ctx.needs_input_grad
        return query_grad if needed[0] else None, key_grad.to(keys.dtype) if needed[1] else None, None


def _wide(x: Tensor) -> Tensor:
    # sums of many numbers are kept in no less than float32
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x

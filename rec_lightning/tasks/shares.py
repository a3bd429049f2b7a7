"""Exchange between processes of which each holds some rows of the item table: look-up, softmax, ranks.

Every process asks with its own rows of a batch, and all must ask together. Idea: the vocabulary-parallel embedding and
cross-entropy of M. Shoeybi et al., "Megatron-LM", 2019, https://arxiv.org/abs/1909.08053. What differs: there all
processes of a group have the same batch, here each has its own, so queries travel to the shares (P * D numbers) and
scores never do; positions are worked on a few at a time, so that their logits are never kept.

Gradients of what every process holds are averaged afterwards (DDP), those of the shares are not: the functions here
give the first ones W times as large.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from rec_lightning.exchange import gathered, mine, several

# W processes, P positions of one, M items asked for by one, n rows of a share, D width


def summed(value: Tensor, op: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """The sum (or largest) over processes, in place."""
    if several():
        dist.all_reduce(value, op=op)
    return value


class Lookup(torch.autograd.Function):
    """``Lookup.apply(share, items, first)``: (n, D), (M,) -> (M, D), the share having the rows from ``first`` on."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, items: Tensor, first: int) -> Tensor:
        asked = gathered(items)
        own, place = mine(asked), torch.cat(asked) - first
        here = (place >= 0) & (place < len(share))
        found = share.new_zeros(len(place), share.shape[1])
        found[here] = share[place[here]]
        ctx.save_for_backward(place[here], here)
        ctx.rows = len(share)
        return summed(found)[own].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        place, here = ctx.saved_tensors
        parts = gathered(grads[0].contiguous())
        everything = torch.cat(parts)[here] / len(parts)
        return grads[0].new_zeros(ctx.rows, grads[0].shape[1]).index_add_(0, place, everything), None, None


class SplitSoftmax(torch.autograd.Function):
    """``SplitSoftmax.apply(queries, keys, target, first, rows)``: the mean over the positions of all processes.

    (P, D), (n, D), (P,) item indices -> scalar; ``keys`` are those of the items from ``first`` on, and item 0 is never
    scored. At most ``rows`` positions at a time.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, target: Tensor, first: int, rows: int) -> Tensor:
        parts = gathered(queries.contiguous())
        everyone, aims, own = torch.cat(parts), torch.cat(gathered(target)) - first, mine(parts)
        query_grad, key_grad = torch.empty_like(everyone), torch.zeros_like(keys)
        total = queries.new_zeros(())
        for start in range(0, len(everyone), rows):
            piece = slice(start, start + rows)
            logits, aim = everyone[piece] @ keys.T, aims[piece]
            if first == 0:
                logits[:, 0] = -torch.inf
            here = ((aim >= 0) & (aim < len(keys))).nonzero().squeeze(1)
            scores = logits.new_zeros(len(logits))
            scores[here] = logits[here, aim[here]]
            top = summed(logits.amax(1), dist.ReduceOp.MAX)
            slope = logits.sub_(top.unsqueeze(1)).exp_()
            both = summed(torch.stack([slope.sum(1), scores]))
            total += (top + both[0].log() - both[1]).sum()
            slope /= both[0].unsqueeze(1)
            slope[here, aim[here]] -= 1
            query_grad[piece] = slope @ keys
            key_grad += slope.T @ everyone[piece]
        count = len(everyone)
        own_grad = summed(query_grad)[own] * (len(parts) / count)
        ctx.save_for_backward(own_grad, key_grad / count)
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        query_grad, key_grad = ctx.saved_tensors
        return query_grad * grads[0], key_grad * grads[0], None, None, None

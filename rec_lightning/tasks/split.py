"""Sequence recommendation whose item table and softmax are split: each process holds a share of the items.

Table, its gradient and its optimizer state take 1 / W of the memory in each of W processes, and so do the logits. The
loss is the full softmax over all shares and positions, the ranks are exact over the whole catalogue; both are those of
one process up to rounding. In one process it is ``sequence`` with a full softmax.

Relations: ``shares`` is what the processes exchange; ``strategy=vocabulary_parallel`` splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from rec_lightning.contracts import (
    Backbone,
    Batch,
    Companion,
    Head,
    ItemEncoder,
    Loss,
    OptimizerFactory,
    Ranking,
    SchedulerFactory,
    Tuning,
)
from rec_lightning.exchange import gathered, mine
from rec_lightning.ranking.topk import TopK
from rec_lightning.tasks.distinct import distinct
from rec_lightning.tasks.processes import whole
from rec_lightning.tasks.sequence import SequenceTask
from rec_lightning.tasks.shares import Lookup, SplitSoftmax, summed

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

# B rows, L length, D width, P positions that count, n rows of a share

_NUMBERS = 1 << 22  # logits at a time
_FULL = ("FullSoftmax", "ChunkedSoftmax", "AutoSoftmax")


class SplitTask(SequenceTask):
    """``SequenceTask`` over shares of a table of ids; its loss is the full softmax.

    Args:
        items, backbone, head, loss, ranking, metrics, optimizer, scheduler, tuning: as in ``SequenceTask``.
        companion: none; it would need the vectors of all items.

    Raises:
        ValueError: items without a table of their own, another loss or ranking, or a companion.
    """

    def __init__(
        self,
        items: ItemEncoder,
        backbone: Backbone,
        head: Head,
        loss: Loss,
        ranking: TopK,
        metrics: Mapping[str, Metric],
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        companion: Companion | None = None,
    ) -> None:
        super().__init__(items, backbone, head, loss, ranking, metrics, optimizer, scheduler, tuning, companion)
        if not isinstance(items.trunk, nn.Embedding):
            raise ValueError(
                f"task=split splits a table of ids, and items={type(items).__name__} has none of its own. "
                "Set items=id, or task=sequence."
            )
        # by what they compute: the whole catalogue, and all of the target on one item
        if type(loss).__name__ not in _FULL or getattr(loss, "label_smoothing", False):
            raise ValueError(
                f"task=split has the full softmax without smoothing, got loss={type(loss).__name__}. "
                "Set loss=chunked_softmax loss.label_smoothing=0, or task=sequence."
            )
        if companion is not None or type(ranking) is not TopK:
            raise ValueError(
                "task=split ranks by scores alone and has no companion, got "
                f"{type(ranking if companion is None else companion).__name__}. Set companion=none ranking=topk "
                "rerank=none, or task=sequence."
            )
        self.first = 0

    def split(self, mesh: DeviceMesh) -> None:
        """Keeps this process's rows of the table alone, once."""
        from torch.distributed.tensor import DTensor, Shard, distribute_tensor

        table = self.items.trunk
        assert isinstance(table, nn.Embedding)
        if isinstance(table.weight, DTensor):
            return
        hooks = table.weight._post_accumulate_grad_hooks
        spread = distribute_tensor(table.weight.detach(), mesh, [Shard(0)], src_data_rank=None)
        table.weight = nn.Parameter(spread)
        table.weight._post_accumulate_grad_hooks = hooks
        self.first = mesh.get_local_rank() * -(-len(spread) // mesh.size())
        self._ddp_params_and_buffers_to_ignore = {n for n, p in self.named_parameters() if p is table.weight}

    def _groups(self) -> list[dict[str, Any]]:
        # the table apart, since optimizers take no group of whole and split tensors together
        table, groups = self.items.trunk.get_parameter("weight"), []
        for group in super()._groups():
            parts = [p for p in group["params"] if p is not table], [p for p in group["params"] if p is table]
            groups += [group | {"params": part} for part in parts if part]
        return groups

    def share(self) -> Tensor:
        """(n, D) rows of this process, from ``first`` on."""
        weight = self.items.trunk.get_parameter("weight")
        return weight.to_local() if hasattr(weight, "to_local") else weight

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss over the positions of all processes."""
        batch = self.backbone.pose(batch)
        aim, share = batch.target[batch.target > 0], self.share()
        items, place = distinct(batch.history)
        vectors = Lookup.apply(share, items, self.first)  # type: ignore[no-untyped-call]
        queries = self.head.queries(self._asked_states(batch, place, vectors))
        rows = max(16, _NUMBERS // len(share))
        loss: Tensor = SplitSoftmax.apply(queries, self.head.keys(share), aim, self.first, rows)  # type: ignore[no-untyped-call]
        self._counted(loss, len(aim), len(batch))
        return loss  # counts every process's positions already

    def states(self, batch: Batch, vectors: Tensor) -> Tensor:
        """The state after each history: (B, D); ``vectors`` are a share."""
        items, place = distinct(batch.history)
        found = Lookup.apply(vectors, items, self.first)  # type: ignore[no-untyped-call]
        return self._after(batch, nn.functional.embedding(place, found))

    def on_validation_epoch_start(self) -> None:
        """Takes the share as it is."""
        share = self.share()
        self._catalog = share, self.head.keys(share)

    def _rank(self, batch: Batch, ranking: TopK) -> Ranking:
        share, keys = self._catalog
        queries = gathered(self.head.queries(self.states(batch, share)).float().contiguous())
        everyone, own = together(batch), mine(queries)
        scores = torch.cat(queries) @ keys.float().T  # (B of all, n)
        column = everyone.target - self.first
        here = ((column >= 0) & (column < len(keys))).nonzero().squeeze(1)
        aim = scores.new_zeros(len(scores))
        aim[here] = scores[here, column[here]]
        top, item, above = ranking._part(everyone, scores, self.first, summed(aim))
        tops, items = (torch.cat(gathered(x[None].transpose(0, 2).contiguous()))[:, own, 0].T for x in (top, item))
        best, place = tops.topk(min(ranking.k, tops.shape[1]), dim=1)
        return Ranking(batch.user, items.gather(1, place), best, batch.target, summed(above)[own])

    def table(self) -> Tensor:
        """(N + 1, D), put together; all processes must ask."""
        found: Tensor = whole(self.items.trunk.get_parameter("weight"))
        return found


def together(batch: Batch) -> Batch:
    """The rows of all processes as one batch, with targets and seen items alone."""
    target = torch.cat(gathered(batch.target))
    seen = offsets = None
    if batch.seen is not None and batch.seen_offsets is not None:
        seen = torch.cat(gathered(batch.seen))
        count = torch.cat(gathered(batch.seen_offsets.diff()))
        offsets = torch.cat([count.new_zeros(1), count.cumsum(0)])
    none = target.new_zeros(len(target), 1)
    return Batch(target.new_zeros(len(target)), none, torch.ones_like(target), target, seen, offsets)

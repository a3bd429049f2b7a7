"""Weights, gradients and optimizer split over processes, each block of the backbone gathered only while it runs.

Paper: W. Liang et al., "TorchTitan: One-stop PyTorch native solution for production ready LLM pretraining", ICLR 2025,
https://arxiv.org/abs/2410.06511. What differs: only the backbone's blocks are units of their own. What is left is one
unit, gathered once a step: a text encoder runs over more chunks of texts in one process than in another, and gathering
its blocks one by one would let processes wait for each other forever. Evaluation keeps the same rule.

A checkpoint holds whole tensors, as that of one process, so that any number of processes goes on from it under any
strategy; the optimizer's state is resharded as it is loaded.

Relations: ``ddp`` keeps the whole model everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy, ParallelStrategy
from torch import nn

from rec_lightning.runtime.strategies.whole_states import WholeStates

_STEPS = "training_step validation_step test_step on_validation_epoch_start".split()


class Fsdp2(WholeStates, ModelParallelStrategy):
    """Lightning's strategy, splitting a task by ``fully_shard``.

    Args:
        by_block: blocks of the backbone are gathered one at a time; else the whole model at once.
        mixed_precision: gathers and computes in bfloat16; gradients are summed in float32.
        activation_checkpointing: blocks are computed again in the backward pass and not kept.
        cpu_offload: keeps what is split in the memory of the processor; needs CUDA.
        timeout: seconds after which a process that waits for the others gives up.
    """

    even = True  # every process must run every block equally often

    def __init__(
        self,
        by_block: bool = True,
        mixed_precision: bool = False,
        activation_checkpointing: bool = False,
        cpu_offload: bool = False,
        timeout: float = 600.0,
    ) -> None:
        super().__init__("auto", 1, save_distributed_checkpoint=False, timeout=timedelta(seconds=timeout))
        self.by_block, self.mixed_precision = by_block, mixed_precision
        self.splits = by_block  # else all weights are there until the backward pass has ended
        self.activation_checkpointing, self.needs_cuda = activation_checkpointing, cpu_offload

    @property
    def lightning_restore_optimizer(self) -> bool:
        return True

    def setup_environment(self) -> None:
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def shard(self, task: nn.Module) -> None:
        """Splits a task in place, once."""
        from torch.distributed._composable.checkpoint_activation import checkpoint
        from torch.distributed.fsdp import (
            CPUOffloadPolicy,
            FSDPModule,
            MixedPrecisionPolicy,
            OffloadPolicy,
            fully_shard,
            register_fsdp_forward_method,
        )

        if isinstance(task, FSDPModule):
            return
        half = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if self.mixed_precision else MixedPrecisionPolicy()
        offload = CPUOffloadPolicy() if self.needs_cuda else OffloadPolicy()
        mesh = self.device_mesh["data_parallel"]
        hooks = {name: p._post_accumulate_grad_hooks for name, p in task.named_parameters()}
        for block in blocks(task.backbone):  # type: ignore[arg-type]
            if self.activation_checkpointing:
                checkpoint(block)
            if self.by_block:
                fully_shard(block, mesh=mesh, mp_policy=half, offload_policy=offload)
        fully_shard(task, mesh=mesh, reshard_after_forward=False, mp_policy=half, offload_policy=offload)
        for name, parameter in task.named_parameters():
            parameter._post_accumulate_grad_hooks = hooks[name]
        for name in _STEPS:
            register_fsdp_forward_method(task, name)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        ParallelStrategy.save_checkpoint(self, checkpoint, filepath, storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        # our own file, which holds generators' states; the trainer forgets here what it was told
        return ParallelStrategy.load_checkpoint(self, checkpoint_path, bool(weights_only))


def blocks(backbone: nn.Module) -> Iterator[nn.Module]:
    """Members of the outermost lists of equal modules, which run one after the other."""
    for child in backbone.children():
        if isinstance(child, nn.ModuleList) and len({type(block) for block in child}) == 1:
            yield from child
        else:
            yield from blocks(child)

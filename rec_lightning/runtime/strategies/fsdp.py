"""Weights, gradients and optimizer split over processes by PyTorch's first FSDP. Needs CUDA.

Paper: Y. Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023,
https://arxiv.org/abs/2304.11277. What differs: a whole checkpoint, so that any number of processes goes on from it.

Relations: ``fsdp2`` is its successor, splits by parameter, and runs on a CPU too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from lightning.pytorch.strategies import FSDPStrategy


class Fsdp(FSDPStrategy):
    """Lightning's strategy; one that needs CUDA says so before anything starts.

    Args:
        sharding: FULL_SHARD splits all, SHARD_GRAD_OP keeps the weights whole between forward and backward.
        cpu_offload: keeps what is split in the memory of the processor.
        timeout: seconds after which a process that waits for the others gives up.
    """

    needs_cuda = True
    splits = True  # never tried with gradients of several losses taken apart

    def __init__(
        self,
        sharding: Literal["FULL_SHARD", "SHARD_GRAD_OP", "HYBRID_SHARD"] = "FULL_SHARD",
        cpu_offload: bool = False,
        timeout: float = 600.0,
    ) -> None:
        super().__init__(
            sharding_strategy=sharding,
            cpu_offload=cpu_offload,
            timeout=timedelta(seconds=timeout),
            state_dict_type="full",
            use_orig_params=True,  # frozen and trained parameters lie in one unit
        )

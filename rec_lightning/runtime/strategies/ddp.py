"""Data-parallel training: every process holds the whole model and a share of each batch; gradients are averaged.

Paper: S. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020,
https://arxiv.org/abs/2006.15704. What differs: nothing; DDP sends the gradients of what trains and nothing else, so a
step sends 2 (W - 1) / W times the bytes of the trained parameters in and out of each of W processes.

Relations: ``fsdp2`` splits the weights too.
"""

from __future__ import annotations

from datetime import timedelta

from lightning.pytorch.strategies import DDPStrategy


def ddp(
    static_graph: bool = False, bucket_mb: int = 25, find_unused: bool = False, timeout: float = 600.0
) -> DDPStrategy:
    """Lightning's strategy.

    Args:
        static_graph: the same parameters get gradients in every step; saves a search for them.
        bucket_mb: gradients are sent in pieces of this size while others are still computed.
        find_unused: allows trained parameters that a step does not touch.
        timeout: seconds after which a process that waits for the others gives up.

    Raises:
        ValueError: a value out of range.
    """
    if bucket_mb < 1:
        raise ValueError(f"strategy.bucket_mb must be at least 1, got {bucket_mb}. Set strategy.bucket_mb.")
    return DDPStrategy(
        static_graph=static_graph,
        bucket_cap_mb=bucket_mb,
        find_unused_parameters=find_unused,
        gradient_as_bucket_view=True,
        timeout=timedelta(seconds=timeout),
    )

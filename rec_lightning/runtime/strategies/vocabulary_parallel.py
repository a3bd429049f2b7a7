"""DDP with a share of the item table in each process, so that catalogues outgrow one device.

Idea: M. Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism", 2019,
https://arxiv.org/abs/1909.08053. What differs: batches are split over the same processes as the table. Each process
makes the whole table once, when it is built, and keeps its share.

Relations: ``tasks/split`` is what it splits; ``fsdp2`` gathers the whole table in every step.
"""

from __future__ import annotations

from datetime import timedelta

import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from rec_lightning.runtime.strategies.whole_states import WholeStates


class VocabularyParallel(WholeStates, DDPStrategy):
    """Lightning's DDP over a task that can ``split`` itself.

    Args:
        bucket_mb: gradients are sent in pieces of this size while others are still computed.
        timeout: seconds after which a process that waits for the others gives up.

    Raises:
        ValueError: a value out of range.
    """

    even = True  # every process asks the others in every pass

    def __init__(self, bucket_mb: int = 25, timeout: float = 600.0) -> None:
        if bucket_mb < 1:
            raise ValueError(f"strategy.bucket_mb must be at least 1, got {bucket_mb}. Set strategy.bucket_mb.")
        super().__init__(bucket_cap_mb=bucket_mb, gradient_as_bucket_view=True, timeout=timedelta(seconds=timeout))

    def shard(self, task: nn.Module) -> None:
        """Splits the table of a task, once.

        Raises:
            ValueError: the task has none to split.
        """
        if not hasattr(task, "split"):
            raise ValueError(
                f"strategy=vocabulary_parallel splits the table of task=split, got {type(task).__name__}. "
                "Set task=split."
            )
        from torch.distributed.device_mesh import init_device_mesh

        task.split(init_device_mesh(self.root_device.type, (dist.get_world_size(),)))  # type: ignore[operator]

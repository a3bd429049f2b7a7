"""DeepSpeed's ZeRO: optimizer and gradients split over processes (stage 2), and weights too (stage 3). Needs CUDA.

Paper: S. Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC 2020,
https://arxiv.org/abs/1910.02054. Needs the extra ``deepspeed``.

Relations: ``fsdp2`` does what stage 3 does with PyTorch alone.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec

from lightning.pytorch.strategies import DeepSpeedStrategy, Strategy


def deepspeed(stage: int = 2, cpu_offload: bool = False, timeout: float = 600.0) -> Strategy:
    """Lightning's strategy.

    Args:
        stage: 2 or 3.
        cpu_offload: keeps the optimizer, and in stage 3 the weights, in the memory of the processor.
        timeout: seconds after which a process that waits for the others gives up.

    Raises:
        ValueError: another stage, or the package is not installed.
    """
    if stage not in (2, 3):
        raise ValueError(f"strategy.stage must be 2 or 3, got {stage}. Set strategy=deepspeed_2 or deepspeed_3.")
    if find_spec("deepspeed") is None:
        raise ValueError(
            f"strategy=deepspeed_{stage} needs the package deepspeed, which is not installed. Install "
            "rec_lightning[deepspeed], or set strategy=fsdp2."
        )
    strategy = DeepSpeedStrategy(
        stage=stage,
        offload_optimizer=cpu_offload,
        offload_parameters=cpu_offload and stage == 3,
        exclude_frozen_parameters=True,
        timeout=timedelta(seconds=timeout),
    )
    strategy.needs_cuda = True  # type: ignore[attr-defined]
    strategy.splits = True  # type: ignore[attr-defined]  # never tried with gradients of several losses taken apart
    return strategy

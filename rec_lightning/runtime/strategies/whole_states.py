"""States as those of one process: what a strategy has split is put together to be saved, and split to be loaded.

So a checkpoint of N processes is that of one, and M processes go on from it under any strategy.

Relations: ``fsdp2`` and ``vocabulary_parallel`` mix it in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor
from torch.optim import Optimizer

from rec_lightning.tasks.processes import load_whole, reshard, whole


class WholeStates(ParallelStrategy):
    """Weights and optimizer states that hold whole tensors."""

    def lightning_module_state_dict(self) -> dict[str, Any]:
        assert self.lightning_module is not None
        return self.lightning_module.state_dict()

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        assert self.lightning_module is not None
        load_whole(self.lightning_module, checkpoint["state_dict"])

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state of one process, by parameter's number."""
        plain = optimizer.state_dict()
        return plain | {"state": {n: {k: whole(v) for k, v in s.items()} for n, s in plain["state"].items()}}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            state = {
                n: {k: reshard(v, parameters[n]) if isinstance(v, Tensor) and v.ndim else v for k, v in s.items()}
                for n, s in saved["state"].items()
            }
            optimizer.load_state_dict(saved | {"state": state})

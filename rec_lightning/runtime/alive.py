"""Counts the bytes of every tensor that is alive while a piece of code runs, and their peak; on any device.

Relations: ``probe`` measures a training step with it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary


class Alive(TorchDispatchMode):
    """A context: ``peak`` is the most that was alive at once of what was made inside.

    Args:
        known: tensors that were there before; views of them are not counted.

    Example:
        >>> with Alive([]) as alive:
        ...     for _ in range(3):
        ...         x = torch.zeros(1000)
        >>> alive.peak  # the new one is made while the old one is still there
        8000
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak, self._now = 0, 0
        self._seen = WeakIdKeyDictionary()
        for tensor in known:
            self._seen[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self._see, out)
        return out

    def _see(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage not in self._seen:
            self._seen[storage] = True
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._gone, storage.nbytes())
        return tensor

    def _gone(self, size: int) -> None:
        self._now -= size

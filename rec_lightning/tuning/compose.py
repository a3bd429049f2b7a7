"""Compose: one method on the items' encoder and another on the backbone.

Own code: ``peft`` joins methods of one kind inside one model. Here each part has a method of its own, with its own
learning rates, callbacks and way to merge.
Relations: any two of the room; ``target: all`` of a single method is the case where both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from lightning import Callback
from torch import nn

from rec_lightning.contracts import Target, Tuning


class Compose:
    """Hands each part to its method.

    Args:
        items: for the items' encoder; its target must be ``items``.
        backbone: for the backbone; its target must be ``backbone``.

    Raises:
        ValueError: a method aims at another part.
    """

    def __init__(self, items: Tuning, backbone: Tuning) -> None:
        self.target: Target = "all"
        self.methods: dict[str, Tuning] = {"items": items, "backbone": backbone}
        self.changes_output = any(getattr(m, "changes_output", False) for m in self.methods.values())
        self.foldable = all(getattr(m, "foldable", True) for m in self.methods.values())
        self.sets_weights = any(getattr(m, "sets_weights", False) for m in self.methods.values())
        for part, method in self.methods.items():
            if method.target != part:
                raise ValueError(
                    f"tuning.{part}.target must be {part}, got {method.target}. Set tuning.{part}.target={part}."
                )
        self._tuned: list[tuple[nn.Module, Tuning]] = []

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Prepares the trunk by the method of its part.

        Raises:
            ValueError: the method matched nothing.
        """
        part = name.partition("=")[0]
        method = self.methods[part]
        try:
            tuned = method(trunk, name, pretrained)
        except ValueError as error:
            raise ValueError(f"tuning=compose cannot use its method for {part}: {error}") from error
        self._tuned.append((tuned, method))
        return tuned

    def lr_factor(self, trunk: nn.Module) -> dict[str, float]:
        """Parameter name -> learning rate relative to the optimizer's, as the method of that trunk says."""
        own = {id(p) for p in trunk.parameters()}
        method = next(method for tuned, method in self._tuned if any(id(p) in own for p in tuned.parameters()))
        factor = method.lr_factor
        rates: Mapping[str, float] = (
            factor(trunk) if callable(factor) else dict.fromkeys((n for n, _ in trunk.named_parameters()), factor)
        )
        return dict(rates)

    def callbacks(self) -> list[Callback]:
        """Those of both methods."""
        return [one for method in self.methods.values() for one in getattr(method, "callbacks", list)()]

    def merge(self, trunk: nn.Module) -> nn.Module:
        """Folds what either method put in; a method leaves alone what is not its own."""
        for method in self.methods.values():
            trunk = method.merge(trunk)
        return trunk

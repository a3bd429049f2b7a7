"""Where a fine-tuning method meets a model: which trunks it touches, and what trains elsewhere.

The rule: what is new trains; what is pretrained trains only as the method says. So a pretrained part outside the
method's target stays frozen, and a new part outside it trains in full.
"""

from __future__ import annotations

from collections.abc import Mapping

from rec_lightning.contracts import Tunable, Tuning


def apply(tuning: Tuning, parts: Mapping[str, Tunable]) -> None:
    """Decides in place what trains.

    Args:
        tuning: the method.
        parts: ``items`` and ``backbone``.

    Raises:
        ValueError: the method matched nothing in one of its targets.
    """
    for name, part in parts.items():
        if tuning.target in (name, "all"):
            part.set_trunk(tuning(part.trunk, f"{name}={type(part).__name__}", part.pretrained))
        elif part.pretrained:
            part.trunk.requires_grad_(False)

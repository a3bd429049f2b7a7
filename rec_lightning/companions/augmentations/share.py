"""How much of a history is changed: a rule that the changes have in common."""

from __future__ import annotations


def check_share(name: str, share: float) -> float:
    """The share itself.

    Raises:
        ValueError: it is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(
            f"companion.augmentations.{name}.share must be in (0, 1], got {share}. "
            f"Set companion.augmentations.{name}.share."
        )
    return share

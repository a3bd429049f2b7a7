"""Fixed: the sum of the losses, each times the weight of its objective.

Relations: the row that every other method is held against.
"""

from __future__ import annotations

from rec_lightning.balancing.weighing import Weighing


class Fixed(Weighing):
    """The sum."""

"""Clicked: every event is a positive one, and items drawn from those its user has no event with are negative.

Figures with it depend on what is drawn, as those of a sampled ranking do: ``drawn`` belongs beside every one of them.

Relations: ``at_least`` reads what users said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.contracts import Kind


@dataclass(frozen=True)
class Clicked:
    """1 for every event; ``drawn`` items beside it have 0.

    Args:
        drawn: items beside each event, drawn uniformly; other ones in every epoch.

    Raises:
        ValueError: none is drawn.
    """

    drawn: int = 4
    kind: ClassVar[Kind] = "binary"
    column: ClassVar[str] = ""
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0
    step: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        if self.drawn < 1:
            raise ValueError(f"label.drawn must be at least 1, got {self.drawn}. Set label.drawn, or another label.")

    def __call__(self, events: pl.DataFrame) -> NDArray[np.float32]:
        """E rows -> (E,) ones."""
        return np.ones(events.height, np.float32)

"""What the features of time have in common: days, and the moment at which training ends."""

from __future__ import annotations

import polars as pl

from rec_lightning.contracts import TIMESTAMP

_DAY = 86_400


def days_before_the_end(training: pl.DataFrame, feature: str) -> pl.Expr:
    """Days from each event to the last training event.

    Args:
        training: training events.
        feature: that asks.

    Raises:
        ValueError: the data have no time.
    """
    if TIMESTAMP not in training.columns:
        raise ValueError(
            f"data.features.{feature} needs the column timestamp, and the data have none, only an order. Name it in "
            f"data.source, or leave the feature out with ~data.features.{feature}."
        )
    return (training[TIMESTAMP].max() - pl.col(TIMESTAMP)) / _DAY

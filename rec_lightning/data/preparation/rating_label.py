"""A rating becomes a label: 1 at or above a threshold, else 0; or only the good ones stay.

Relations: ``values`` filters by rating without a label.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rec_lightning.contracts import LABEL, RATING
from rec_lightning.data.preparation.columns import check_columns


@dataclass(frozen=True)
class RatingLabel:
    """Adds the column ``label``, int8.

    Args:
        threshold: smallest rating with label 1.
        keep_negative: whether events with label 0 stay.

    Example:
        >>> RatingLabel(4)(pl.DataFrame({"rating": [3, 4]})).rows()
        [(4, 1)]
        >>> RatingLabel(4, keep_negative=True)(pl.DataFrame({"rating": [3, 4]})).rows()
        [(3, 0), (4, 1)]
    """

    threshold: float
    keep_negative: bool = False

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that stay, in order, with their label; events without a rating go.

        Raises:
            ValueError: there are no ratings.
        """
        check_columns(events, [RATING], "rating_label")
        labelled = events.filter(pl.col(RATING).is_not_null()).with_columns(
            (pl.col(RATING) >= self.threshold).cast(pl.Int8).alias(LABEL)
        )
        return labelled if self.keep_negative else labelled.filter(pl.col(LABEL) == 1)

"""Ids as people write them -> numbers of a catalogue; what is not there is counted, and refused where that is asked.

Relations: ``history_file`` and ``recommendation`` look items and users up here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rec_lightning.runtime.refusal import Refusal

Unknown = Literal["skip", "refuse"]


class Ids:
    """Looks ids up.

    Args:
        ids: (N,) known, of any type; they are compared as text.
        what: of a single one, ``item`` or ``user``.
        unknown: what is done about others.
        whose: that knows them, for messages.
        first: number of the first id.
    """

    def __init__(self, ids: pl.Series, what: str, unknown: Unknown, whose: str = "run", first: int = 0) -> None:
        number = np.arange(first, first + len(ids), dtype=np.int64)
        self._index = pl.DataFrame({"id": ids.cast(pl.String), "number": number})
        self.what, self.unknown, self.whose = what, unknown, whose
        self.skipped, self.example = 0, ""

    def __call__(self, given: pl.Series) -> NDArray[np.int64]:
        """(M,) numbers; -1 for an id that is not known, which is counted in ``skipped``.

        Raises:
            Refusal: one is not known, and that is refused.
        """
        asked = given.cast(pl.String).alias("id").to_frame()
        found = asked.join(self._index, on="id", how="left", maintain_order="left")["number"].fill_null(-1).to_numpy()
        strange = int((found < 0).sum())
        if strange:
            self.example = self.example or str(given[int((found < 0).argmax())])
            self.skipped += strange
            if self.unknown == "refuse":
                raise Refusal(
                    f"{self.what}s must be known to the {self.whose}, and {self.what} {self.example} is not. Leave it "
                    "out, or set unknown=skip."
                )
        numbers: NDArray[np.int64] = found
        return numbers

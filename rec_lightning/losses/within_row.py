"""What losses that compare the candidates of a row share: one score a candidate, whose order alone means something.

Relations: ``pairwise`` and ``listwise``.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Kind, Label
from rec_lightning.losses.labels import check_kind, check_several


class WithinRow(nn.Module):
    """A loss over binary labels of several candidates a row."""

    name: str
    kinds: tuple[Kind, ...] = ("binary",)

    def prepare(self, label: Label) -> int:
        """One score a candidate.

        Raises:
            ValueError: the label is not binary, or puts one candidate in a row.
        """
        check_kind(self.name, self.kinds, label)
        check_several(self.name, label)
        return 1

    def predict(self, scores: Tensor) -> Tensor:
        """(..., 1) -> (...,) in 0..1."""
        return scores.squeeze(-1).sigmoid()

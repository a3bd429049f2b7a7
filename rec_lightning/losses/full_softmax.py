"""Cross-entropy over the whole catalogue, the objective with which SASRec holds its own against newer models.

Source: A. Klenitskiy and A. Vasilev, "Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?",
RecSys 2023, https://arxiv.org/abs/2309.07602. What differs: nothing in the value; the mean is over positions.

Relations: ``chunked_softmax`` is the same number in bounded memory.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Catalog


class FullSoftmax(nn.Module):
    """Mean over positions of ``-log softmax(queries @ keys.T)[target]``.

    Args:
        label_smoothing: share of the target spread over the catalogue, in [0, 1).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"loss.label_smoothing must be in [0, 1), got {label_smoothing}. Set loss.label_smoothing."
            )
        self.label_smoothing = label_smoothing

    def prepare(self, catalog: Catalog) -> None:
        """Any catalogue will do."""

    def negatives(self, target: Tensor) -> None:
        """The whole catalogue is scored."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, 1..M - 1 -> scalar. Row 0 of keys is the padding and never scored."""
        return F.cross_entropy(queries @ keys[1:].T, target - 1, label_smoothing=self.label_smoothing)

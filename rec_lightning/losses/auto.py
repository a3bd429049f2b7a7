"""Full or chunked softmax, whichever suits the catalogue: the same number either way, chosen by a memory estimate.

While all logits of a step fit near the processor, the plain product is as fast or faster; beyond that chunks are,
and only they stay in bounded memory. The default limit is where the two met on one CPU core
(``experiments/catalogue_scale``); on an accelerator it is worth more.

Relations: ``full_softmax`` and ``chunked_softmax``.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Catalog
from rec_lightning.losses.chunked_softmax import ChunkedSoftmax
from rec_lightning.losses.full_softmax import FullSoftmax

COPIES = 3  # logits, their log-softmax, and its gradient


class AutoSoftmax(nn.Module):
    """Mean over positions of ``-log softmax(queries @ keys.T)[target]``.

    ``choice`` says what was chosen and why, once ``prepare`` has seen the catalogue.

    Args:
        batch_size: windows of a step.
        max_length: positions of a window.
        memory_mb: most memory that the full softmax may take, in MiB; positive.
        label_smoothing: share of the target spread over the catalogue, in [0, 1).

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, batch_size: int, max_length: int, memory_mb: float = 4.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if memory_mb <= 0:
            raise ValueError(f"loss.memory_mb must be positive, got {memory_mb}. Set loss.memory_mb.")
        self.positions, self.memory_mb = batch_size * max_length, memory_mb
        self.full = FullSoftmax(label_smoothing)
        self.chunked = ChunkedSoftmax(label_smoothing=label_smoothing)
        self.whole, self.choice = False, "chunked softmax, since the catalogue is not known"

    def prepare(self, catalog: Catalog) -> None:
        """Chooses."""
        need = COPIES * 4 * self.positions * catalog.size / 2**20
        self.whole = need <= self.memory_mb
        self.choice = (
            f"{'full' if self.whole else 'chunked'} softmax, since {COPIES} copies of the logits of "
            f"{self.positions:,} positions and {catalog.size:,} items take {need:,.1f} MB of at most "
            f"{self.memory_mb:g} (loss.memory_mb)"
        )

    def negatives(self, target: Tensor) -> None:
        """The whole catalogue is scored."""
        return

    def forward(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: None = None) -> Tensor:
        """(P, D), (M, D), (P,) rows of keys, 1..M - 1 -> scalar. Row 0 of keys is the padding and never scored."""
        out: Tensor = (self.full if self.whole else self.chunked)(queries, keys, target)
        return out

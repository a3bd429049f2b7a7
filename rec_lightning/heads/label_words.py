"""Label words: what a language model says of each label's word, as a score.

Relations: for ``backbone=prompt_lm``, which gives the words' logits; ``classifier`` reads states of a model.
"""

from __future__ import annotations

from torch import Tensor, nn

from rec_lightning.contracts import Batch, Catalog, Kind

# B rows, L length, D width, C candidates, K outputs, W words


class LabelWords(nn.Module):
    """Two words become the difference of their logits, so that its sigmoid is the second's share; more stay.

    Nothing in it trains.

    Args:
        catalog: not read.
        outputs: K, 1 or the number of classes.
        inputs: W.

    Raises:
        ValueError: the words are not as many as the labels.
    """

    kinds: tuple[Kind, ...] = ("binary", "classes")
    per_candidate = True

    def __init__(self, catalog: Catalog, outputs: int, inputs: int) -> None:
        super().__init__()
        if inputs != max(outputs, 2):
            raise ValueError(
                f"backbone.words must be {max(outputs, 2)} words, one a label, got {inputs}. Set backbone.words."
            )
        self.outputs = outputs

    def forward(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """(B, C, W) -> (B, C, K)."""
        return state[..., 1:] - state[..., :1] if self.outputs == 1 else state

"""What backbones that read prompts share: the model behind them, its trunk, and what their prompts ask of the data.

Relations: ``prompt_lm`` and ``prompt_encoder`` say what the model's states become.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from rec_lightning.backbones.prompt_chunks import check_chunk
from rec_lightning.backbones.prompts import Prompted, Prompts
from rec_lightning.contracts import Batch, Catalog, TextAugmentation
from rec_lightning.few_bits import Bits, quantise
from rec_lightning.language_models import set_dropout


class PromptReader(nn.Module):
    """Prompts and a pretrained model that reads them.

    Args:
        dropout: of all dropout layers of the model, in [0, 1).
        chunk_tokens: tokens read at once; None for what suits the device.

    Raises:
        ValueError: a value out of range.
    """

    per_candidate = True
    pretrained = True
    prompts: Prompts
    base: dict[str, str] | None
    model: nn.Module

    def __init__(self, dropout: float, chunk_tokens: int | None) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        check_chunk(chunk_tokens)
        self.chunk_tokens, self._dropout = chunk_tokens, dropout

    def hold(self, trunk: PreTrainedModel, quantize: Bits | None) -> None:
        """Takes the model, in few bits where asked; ``base`` is known before.

        Args:
            trunk: what a fine-tuning method may touch; changed in place.
            quantize: ``nf4`` or ``int8``; None for full weights.
        """
        if quantize is not None:
            quantise(trunk, quantize, "backbone.quantize")
            self.base = self.base and self.base | {"weights": f"{quantize} of {self.base['weights']}"}
        set_dropout(trunk, self._dropout)
        self.model = trunk

    @property
    def needs_time(self) -> bool:
        """Whether batches must carry times: solved examples are from before."""
        return self.prompts.examples.count > 0

    @property
    def without_times(self) -> str:
        """What to set where the data have none."""
        return "set backbone.prompt.examples.count=0"

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the model, without its output layer."""
        return self.model

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.model = module

    def augment(self, augmentation: TextAugmentation, catalog: Catalog) -> None:
        """From now on items have changed texts in training.

        Raises:
            ValueError: none of the texts can change.
        """
        self.prompts.augment(augmentation, catalog)

    def pose(self, batch: Batch) -> Batch:
        """As it is."""
        return batch

    def prompted(self, batch: Batch) -> Prompted:
        """The prompts of a batch, for who counts their tokens."""
        return self.prompts(batch)

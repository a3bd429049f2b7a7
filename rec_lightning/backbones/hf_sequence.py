"""Any causal Hugging Face model over item vectors: of random weights, or a pretrained language model.

Papers: the shape is that of X. Li, C. Chen, X. Zhao, Y. Zhang and C. Xing, "E4SRec: An Elegant Effective Efficient
Extensible Solution of Large Language Models for Sequential Recommendation", WWW 2024 companion,
https://arxiv.org/abs/2312.02443, and of J. Liao et al., "LLaRA: Large Language-Recommendation Assistant", SIGIR 2024,
https://arxiv.org/abs/2312.02445: item vectors are projected to the width of the model and go in where token vectors
would. What differs: there is no instruction in words, but learnt vectors may stand in front (``prompt``); every
position is trained in one pass, not the last one of a rendered text; the projected vectors are normed to the size of
the token vectors that the model knows; the lowest layers alone may be kept, after W. Xu et al., "SLMRec: Distilling
Large Language Models into Small for Sequential Recommendation", ICLR 2025, https://arxiv.org/abs/2405.17890.

Relations: ``sasrec`` is such a model made for this alone; ``hf_trunks`` makes the models; ``items=text`` reads texts
with the same ones.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from rec_lightning.backbones.hf_trunks import Trunk
from rec_lightning.contracts import Batch

# B batch, L length, D width, H width of the model, S prompt


class MakesTrunk(Protocol):
    """Makes the model when the number of positions is known."""

    def __call__(self, positions: int) -> Trunk: ...


class HFSequence(nn.Module):
    """Projection, norm, learnt prompt, the model, norm, projection back.

    Histories are right-padded and the model is causal, so it needs no attention mask: no real state sees padding.

    Args:
        width: D, of the item vectors and the states.
        max_length: longest history.
        trunk: the model; called with the number of positions it must have.
        prompt: learnt vectors in front of each history; 0 for none.
        dropout: probability in [0, 1), on the item vectors.

    Raises:
        ValueError: a value out of range.
    """

    def __init__(self, width: int, max_length: int, trunk: MakesTrunk, prompt: int = 0, dropout: float = 0.2) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"backbone.dropout must be in [0, 1), got {dropout}. Set backbone.dropout.")
        if prompt < 0:
            raise ValueError(f"backbone.prompt must be at least 0, got {prompt}. Set backbone.prompt.")
        made = trunk(positions=max_length + prompt)
        self.max_length, self.count, self.pretrained = max_length, prompt, made.pretrained
        self.base = dict(made.base) or None
        self.dropout = nn.Dropout(dropout)
        self.into, self.input_norm = nn.Linear(width, made.hidden), nn.LayerNorm(made.hidden)
        nn.init.constant_(self.input_norm.weight, made.scale)
        self.prompt = nn.Parameter(made.scale * torch.randn(prompt, made.hidden)) if prompt else None
        self.model: nn.Module = made.model
        self.output_norm, self.out = nn.LayerNorm(made.hidden), nn.Linear(made.hidden, width)

    @property
    def trunk(self) -> nn.Module:
        """What a fine-tuning method may touch: the Hugging Face model."""
        return self.model

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        self.model = module

    def pose(self, batch: Batch) -> Batch:
        """All targets at once."""
        return batch

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); the states at padded positions mean nothing.

        Raises:
            ValueError: L is longer than ``max_length``.
        """
        length = item_vectors.shape[1]
        if length > self.max_length:
            raise ValueError(f"a history of {length} is longer than max_length {self.max_length}. Set max_length.")
        x = self.input_norm(self.into(self.dropout(item_vectors)))  # (B, L, H)
        if self.prompt is not None:
            x = torch.cat([self.prompt.expand(len(x), -1, -1), x], 1)  # (B, S + L, H)
        states = self.model(inputs_embeds=x).last_hidden_state[:, self.count :]
        out: Tensor = self.out(self.output_norm(states))
        return out

"""Domain adaptation: the language model reads the items' texts by its own objective, before anything is recommended.

Masked language modelling (J. Devlin et al., "BERT", NAACL 2019, https://arxiv.org/abs/1810.04805) for encoders, the
next token for causal models; that going on with it on texts of the domain helps is S. Gururangan et al., "Don't Stop
Pretraining", ACL 2020, https://arxiv.org/abs/2004.10964. A step reads the texts of the items in its batch, so that
items count as often as people met them. What differs: the scores of the tokens are made with the model's own input
vectors, behind a square layer that starts as the identity where tokens are masked (sentence encoders carry no such
head).

Relations: any tuning plug-in decides what trains; ``init=<run>`` hands the encoder on. Nothing is ranked: the measure
is the mean loss of a token over texts that no step reads, some for validation, some for test.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rec_lightning.contracts import Batch, ItemEncoder, OptimizerFactory, SchedulerFactory, Tuning
from rec_lightning.tasks.pretraining import Bare

# n texts, T tokens, H width of the encoder, V vocabulary

_IGNORED = -100  # no token is asked for


class PretrainTextTask(Bare):
    """Language modelling on the items' texts.

    Args:
        items: one that reads texts.
        optimizer: called with parameter groups of what trains.
        scheduler: called with the optimizer and the steps of the whole run.
        tuning: the method that was applied; says the learning rate inside pretrained trunks.
        objective: ``masked`` or ``causal``.
        masked: share of the tokens asked for, of which 80 % are hidden and 10 % another token; 0 for ``causal``.
        texts: most texts read in a step, drawn from those of the batch; at least 1.
        held_out: share of the texts that no step reads, half of them for validation and half for test; in (0, 1).

    Raises:
        ValueError: a value out of range, items without texts, or a model without a token that hides.
    """

    measures: ClassVar[dict[str, str]] = {"token_loss": "min"}
    items: Any

    def __init__(
        self,
        items: ItemEncoder,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        tuning: Tuning | None = None,
        objective: Literal["masked", "causal"] = "masked",
        masked: float = 0.15,
        texts: int = 32,
        held_out: float = 0.1,
    ) -> None:
        super().__init__(items, optimizer, scheduler, tuning)
        _check(items, objective, masked, texts, held_out)
        self.objective, self.masked, self.texts, self.held_out = objective, masked, texts, held_out
        for name, parameter in items.named_parameters():  # type: ignore[attr-defined]
            if not name.startswith("encoder."):
                parameter.requires_grad_(False)  # of the recommender, which is not here yet
        inner = self._embedding()
        self.bias = nn.Parameter(torch.zeros(inner.num_embeddings)) if objective == "masked" else None
        self.square = nn.Linear(inner.embedding_dim, inner.embedding_dim) if objective == "masked" else None
        if self.square is not None:
            nn.init.eye_(self.square.weight)
            nn.init.zeros_(self.square.bias)
        part = torch.rand(items.size + 1, generator=torch.Generator().manual_seed(0), device="cpu")
        self.part = nn.Buffer((part < held_out).long() + (part < held_out / 2).long(), persistent=False)

    def _embedding(self) -> nn.Embedding:
        size = self.items.tokens.tokenizer.vocab_size
        return next(m for m in self.items.trunk.modules() if isinstance(m, nn.Embedding) and m.num_embeddings >= size)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean over the asked tokens of some texts of the batch."""
        items = torch.unique(batch.history)
        items = items[(items > 0) & (self.part[items] == 0)]
        if not len(items):
            raise ValueError(f"every text of a batch is held out: lower task.held_out ({self.held_out}).")
        items = items[torch.randperm(len(items), device=items.device)[: self.texts]]
        loss, asked = self._loss(items, None)
        return self._counted(loss / max(asked, 1), asked, len(items))

    def _loss(self, items: Tensor, generator: torch.Generator | None) -> tuple[Tensor, int]:
        """The sum over asked tokens of (n,) items, and how many there are; the generator on the CPU hides them."""
        ids, mask = (x.to(items.device) for x in self.items.tokens.padded(items.cpu()))
        given, wanted = ids, torch.where(mask > 0, ids, _IGNORED)
        if self.objective == "masked":
            given, wanted = self._hidden(ids, mask, generator)
        states = self.items.trunk(input_ids=given, attention_mask=mask).last_hidden_state
        if self.objective == "causal":
            states, wanted = states[:, :-1], wanted[:, 1:]
        asked = wanted != _IGNORED
        states, wanted = states[asked], wanted[asked]  # (P, H)
        if self.square is not None:
            states = self.square(states)
        scores = F.linear(states, self._embedding().weight, self.bias)
        return F.cross_entropy(scores.float(), wanted, reduction="sum"), len(wanted)

    def _hidden(self, ids: Tensor, mask: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        # what the model reads and what it is asked for, (n, T) each; at least one token a text
        tokenizer = self.items.tokens.tokenizer
        special = torch.tensor(tokenizer.all_special_ids, device=ids.device)
        real = (mask > 0) & ~torch.isin(ids, special)
        draw, kind, other = (torch.rand(ids.shape, generator=generator, device="cpu").to(ids.device) for _ in range(3))
        draw = draw.masked_fill(~real, 2.0)
        chosen = real & ((draw < self.masked) | (draw == draw.amin(1, keepdim=True)))
        another = (other * tokenizer.vocab_size).long()
        read = torch.where(kind < 0.8, tokenizer.mask_token_id, torch.where(kind < 0.9, another, ids))
        return torch.where(chosen, read, ids), torch.where(chosen, ids, _IGNORED)

    def measured(self, stage: Literal["val", "test"]) -> dict[str, float]:
        """The mean loss of a token over the held-out texts, the same tokens hidden every time."""
        generator = torch.Generator().manual_seed(0)
        held = torch.nonzero(self.part == (1 if stage == "val" else 2)).flatten()
        held = held[held > 0]
        if not len(held):
            raise ValueError(f"no text of {self.items.size} is held out: raise task.held_out ({self.held_out}).")
        parts = [self._loss(items, generator) for items in held.split(self.texts)]
        return {"token_loss": float(sum(float(loss) for loss, _ in parts) / sum(asked for _, asked in parts))}


def _check(items: ItemEncoder, objective: str, masked: float, texts: int, held_out: float) -> None:
    if not hasattr(items, "tokens"):
        raise ValueError(f"this task reads texts and needs items=text, got {type(items).__name__}. Set items=text.")
    if texts < 1:
        raise ValueError(f"task.texts must be at least 1, got {texts}. Set task.texts.")
    if not 0 < held_out < 1:
        raise ValueError(f"task.held_out must be between 0 and 1, both excluded, got {held_out}. Set task.held_out.")
    if objective == "causal" and masked:
        raise ValueError(f"task.masked has no effect with task.objective=causal, got {masked}. Set task.masked=0.")
    if objective == "masked" and not 0 < masked < 1:
        raise ValueError(f"task.masked must be between 0 and 1, both excluded, got {masked}. Set task.masked.")
    name = type(items.tokens.tokenizer).__name__
    if objective == "masked" and items.tokens.tokenizer.mask_token_id is None:
        raise ValueError(
            f"task.objective=masked needs a token that hides others, and {name} has none. Set task.objective=causal."
        )

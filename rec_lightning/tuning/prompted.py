"""Virtual tokens in front of a Hugging Face model, which gives the states of the real tokens only.

Relations: ``prompt`` and ``p_tuning`` put vectors before the embedded text, ``prefix`` keys and values before those of
every layer.
"""

from __future__ import annotations

from contextlib import suppress

from peft import PeftModel, PromptLearningConfig, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from rec_lightning.tuning.layers import describe


class Prompted(nn.Module):
    """A frozen model with learnt virtual tokens.

    Args:
        model: of ``peft``; gives the states of the virtual tokens first, or none of them.
        count: virtual tokens.
        longest: tokens the model has positions for, virtual ones included; null for no limit.
    """

    def __init__(self, model: PeftModel, count: int, longest: int | None) -> None:
        super().__init__()
        self.model, self.config, self.count, self.longest = model, model.config, count, longest

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> BaseModelOutput:
        """(n, T) tokens or (n, T, H) vectors, and (n, T) which of them count -> states (n, T, H).

        Raises:
            ValueError: the model has no positions for so many tokens.
        """
        given = input_ids if inputs_embeds is None else inputs_embeds
        assert given is not None
        length = given.shape[1]
        if self.longest is not None and length + self.count > self.longest:
            raise ValueError(
                f"the model has {self.longest} positions, got a text of {length} tokens and {self.count} virtual ones. "
                f"Set items.max_tokens={self.longest - self.count}, or tuning.count."
                if inputs_embeds is None
                else f"the model has {self.longest} positions, got a history of {length} and {self.count} virtual "
                "tokens. Set max_length, or tuning.count."
            )
        wanted = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, "attention_mask": attention_mask}
        states = self.model(**wanted).last_hidden_state
        return BaseModelOutput(last_hidden_state=states[:, -length:])


def prompted(config: PromptLearningConfig, trunk: nn.Module, method: str, name: str) -> nn.Module:
    """The trunk behind virtual tokens; one of several models in a ``ModuleDict`` each.

    Raises:
        ValueError: it is no Hugging Face model.
    """
    if isinstance(trunk, nn.ModuleDict) and len(trunk):
        return nn.ModuleDict({key: prompted(config, model, method, name) for key, model in trunk.items()})
    if not isinstance(trunk, PreTrainedModel):
        raise ValueError(
            f"tuning={method} needs a Hugging Face model to put tokens in front of, and {name} ({describe(trunk)}) is "
            "none. Set tuning=lora or tuning=full, or choose items=text and tuning.target=items."
        )
    trunk.requires_grad_(False)
    longest = getattr(trunk.config, "max_position_embeddings", None)
    assert config.num_virtual_tokens is not None
    model = get_peft_model(trunk, config)
    with suppress(NotImplementedError):  # a model over vectors has no embedding
        model.word_embeddings = trunk.get_input_embeddings()  # found by shape otherwise, past rows for new tokens
    return Prompted(model, config.num_virtual_tokens, longest)

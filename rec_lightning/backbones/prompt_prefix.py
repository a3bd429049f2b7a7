"""What prompts share at their beginning is read once: the keys and values of a history serve all its candidates, and
those of a template's first words all prompts.

A causal model's states at the history do not depend on what follows, so they may be kept; the usual cache of text
generation, used here for scoring. Only without gradients, since a cache would be written into what a backward pass
needs.

Relations: ``prompt_lm`` asks here for prompts that share a history, and ``prompt_chunks`` for the others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rec_lightning.backbones.prompt_chunks import chunks
from rec_lightning.backbones.prompt_texts import Ints

# n prompts of a group, S tokens of what follows, H width of the model

Reading = Callable[[Tensor], dict[str, Tensor]]  # (n, T) token ids -> what a model is given for them


def groups(prompts: Sequence[Ints], shared: Sequence[int]) -> list[list[int]]:
    """Places of prompts that begin alike.

    Args:
        prompts: token ids.
        shared: how many tokens of each are the beginning.
    """
    found: dict[bytes, list[int]] = {}
    for place, (ids, length) in enumerate(zip(prompts, shared, strict=True)):
        found.setdefault(ids[:length].tobytes(), []).append(place)
    return list(found.values())


def common(prompts: Sequence[Ints]) -> int:
    """How many tokens all begin with, at least one less than the shortest has.

    Example:
        >>> common([np.array([5, 6, 7]), np.array([5, 6, 8, 9]), np.array([5, 6, 7, 1])])
        2
    """
    most = min(len(prompt) for prompt in prompts) - 1
    begins = np.stack([prompt[:most] for prompt in prompts])
    alike = (begins == begins[0]).all(0)
    return most if alike.all() else int(alike.argmin())


def keeps(model: nn.Module) -> bool:
    """Whether a model can go on from keys and values it gave; tuned ones that wrap it cannot be asked."""
    return isinstance(model, PreTrainedModel) and not torch.is_grad_enabled()


def last_states(
    model: nn.Module, prompts: Sequence[Ints], begin: int, most: int | None, read: Reading
) -> Tensor | None:
    """The state of the last token of each prompt: (n, H); None where the model keeps no keys and values.

    Args:
        model: causal.
        prompts: alike in their first ``begin`` tokens, and each with more.
        begin: at least 1.
        most: tokens read at once; null for what suits the device.
        read: what the model is given for token ids.
    """
    device = next(model.parameters()).device
    head = torch.from_numpy(prompts[0][:begin]).to(device)[None]
    kept = getattr(model(**read(head), use_cache=True), "past_key_values", None)
    if not hasattr(kept, "batch_repeat_interleave"):
        return None
    found = list[tuple[Tensor, Tensor]]()
    for places, ids, length in chunks([np.ascontiguousarray(p[begin:]) for p in prompts], device, most):
        past: Any = copy.deepcopy(kept)
        past.batch_repeat_interleave(len(ids))
        states = model(**read(ids), past_key_values=past, use_cache=True).last_hidden_state  # (n, S, H)
        found.append((places, states[torch.arange(len(ids), device=device), length - 1]))
    places, states = (torch.cat(parts) for parts in zip(*found, strict=True))
    return states[torch.argsort(places)]

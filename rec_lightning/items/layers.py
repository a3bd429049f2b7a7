"""The border between frozen and trained layers of a transformer, and a forward pass that starts there.

What lies below the lowest trained layer gives the same hidden states in every step, so it is computed once. Works
for any Hugging Face model whose layers sit in one ``ModuleList`` and take the hidden states first; ``goes_on`` finds
out whether they take anything else.

Paper: the idea of caching what is frozen is that of IISAN (Fu et al., "Efficient Multimodal Adaptation with
Decoupled PEFT", SIGIR 2024, https://arxiv.org/abs/2404.02059). What differs: the model's own upper layers go on from
the cached states, not a side network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def layers_of(encoder: nn.Module) -> nn.ModuleList:
    """The longest ``ModuleList`` of equal modules.

    Raises:
        ValueError: there is none.
    """
    lists = [m for m in encoder.modules() if isinstance(m, nn.ModuleList) and len({type(x) for x in m}) == 1]
    if not lists:
        raise ValueError(f"{type(encoder).__name__} has no list of layers, so it cannot be tuned layer by layer.")
    return max(lists, key=len)


def frozen_below(encoder: nn.Module) -> int:
    """How many of the lowest layers, embeddings included, hold nothing that trains; 0 if the embeddings train.

    The number of layers + 1 means that nothing at all trains.
    """
    if not any(p.requires_grad for p in encoder.parameters()):
        return len(layers_of(encoder)) + 1
    layers = layers_of(encoder)
    inside = {id(p) for p in layers.parameters()}
    first = next(i for i, p in enumerate(encoder.parameters()) if id(p) in inside)
    # outside the layers: embeddings with a norm of their own come before, a last norm after; what else comes after
    # (such as embeddings of relative positions) may be used by every layer
    embeddings = [
        p
        for i, (n, p) in enumerate(encoder.named_parameters())
        if id(p) not in inside and (i < first or not re.search("norm|ln_f", n.lower()))
    ]
    if any(p.requires_grad for p in embeddings):
        return 0
    trained = (i for i, layer in enumerate(layers) if any(p.requires_grad for p in layer.parameters()))
    return next(trained, len(layers))


class _Capture(Exception):
    """Ends a forward pass at the border: nothing above it is wanted."""


@contextmanager
def stopped_before(encoder: nn.Module, border: int) -> Iterator[list[Tensor]]:
    """Inside, a forward pass ends just before layer ``border`` and leaves its input in the list.

    With ``border`` equal to the number of layers, the output of the last layer is taken.
    """
    layers, caught = layers_of(encoder), list[Tensor]()

    def before(_: nn.Module, args: tuple[Any, ...]) -> None:
        caught.append(args[0])
        raise _Capture

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)
        raise _Capture

    last = border == len(layers)
    hook = layers[-1].register_forward_hook(after) if last else layers[border].register_forward_pre_hook(before)
    try:
        yield caught
    except _Capture:
        pass
    finally:
        hook.remove()


def goes_on(encoder: nn.Module, border: int, ids: Tensor) -> bool:
    """Whether layers from ``border`` on need nothing of those below but the states; tried out on one text.

    T5, for one, hands relative positions from its first layer to all others.

    Args:
        encoder: in eval mode.
        border: index of a layer, at least 1.
        ids: (1, T) tokens, at least two.
    """
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    whole = encoder(**given).last_hidden_state
    with stopped_before(encoder, border) as caught:
        encoder(**given)
    with started_at(encoder, border, caught[0], output_form(encoder)):
        found = encoder(**given).last_hidden_state
    return bool(torch.allclose(found, whole, rtol=1e-3, atol=1e-4))


def output_form(encoder: nn.Module) -> Callable[[Tensor], Any]:
    """How a layer gives its states: alone, or first in a tuple. Found by a forward pass of one token."""
    seen = list[Any]()
    hook = layers_of(encoder)[0].register_forward_hook(lambda _, __, output: seen.append(output))
    token = torch.zeros(1, 1, dtype=torch.long, device=next(encoder.parameters()).device)
    encoder(input_ids=token, attention_mask=torch.ones_like(token))
    hook.remove()
    others = len(seen[0]) - 1 if isinstance(seen[0], tuple) else None
    return lambda states: states if others is None else (states, *[None] * others)


@contextmanager
def started_at(encoder: nn.Module, border: int, states: Tensor, form: Callable[[Tensor], Any]) -> Iterator[None]:
    """Inside, a forward pass takes ``states`` (n, T, H) as the input of layer ``border`` and skips what is below.

    Args:
        encoder: its layers keep their attributes, which some models read; only what they compute is replaced.
        border: at least 1.
        states: what layer ``border - 1`` would give.
        form: see ``output_form``.
    """
    below = list(layers_of(encoder))[:border]
    try:
        for layer in below:
            layer.forward = lambda *_, **__: form(states)
        yield
    finally:
        for layer in below:
            del layer.forward  # back to the method of its class

"""What a frozen encoder says of each item, computed once ever and kept on disk.

The key covers the frozen weights, the model's configuration, the token ids and the border, so a changed model, text or
template never meets an old file. It is computed in the weights' own precision, outside autocast, so that a run in
bfloat16 leaves nothing coarse for others. Files are written beside their place and renamed: a killed run leaves none
that is half.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rec_lightning.downloads import cache_dir
from rec_lightning.items.layers import goes_on, layers_of, output_form, started_at, stopped_before
from rec_lightning.items.tokens import Tokens

# N items, T tokens, H width of the encoder, S tokens of all items

Pool = Callable[[Tensor, Tensor], Tensor]


class HiddenCache:
    """Pooled vectors of a fully frozen encoder, or the hidden states at the border of a partly frozen one."""

    def __init__(self) -> None:
        self._border: int | None = None
        self._goes_on: dict[int, bool] = {}
        self._form: Callable[[Tensor], Any] = lambda states: states
        self._states = torch.empty(0)  # (S, H) in the order of the tokens, on the CPU, memory-mapped
        self._pooled = torch.empty(0)  # (N + 1, H), on the encoder's device
        self._layered = torch.empty(0)  # (N + 1, K + 1, H), on the CPU, memory-mapped

    def pooled(self, encoder: nn.Module, tokens: Tokens, pool: Pool, pooling: str) -> Tensor:
        """(N + 1, H), zeros for the padding.

        Args:
            encoder: nothing in it trains.
            tokens: of all items.
            pool: (n, T, H), (n, T) -> (n, H).
            pooling: name of ``pool``; part of the key.
        """
        device = next(encoder.parameters()).device

        def last(ids: Tensor, mask: Tensor) -> Tensor:
            return pool(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)

        if self._pooled.numel() == 0:
            key = _key(encoder, len(layers_of(encoder)) + 1, tokens, pooling)
            self._pooled = _kept(key, lambda: _encode(encoder, tokens, last)).clone()
        if self._pooled.device != device:
            self._pooled = self._pooled.to(device)
        return self._pooled

    def layered(self, encoder: nn.Module, tokens: Tokens, pool: Pool, pooling: str) -> Tensor:
        """(N + 1, K + 1, H), on the CPU: the pooled states of the embeddings and of all K layers; takes what ``pooled``
        takes.
        """

        def each(ids: Tensor, mask: Tensor) -> Tensor:
            states = encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
            return torch.stack([pool(layer, mask) for layer in states], 1)

        if self._layered.numel() == 0:
            key = _key(encoder, len(layers_of(encoder)) + 1, tokens, f"{pooling} of each layer")
            self._layered = _kept(key, lambda: _encode(encoder, tokens, each))
        return self._layered

    def goes_on(self, encoder: nn.Module, tokens: Tokens, border: int) -> bool:
        """Whether the encoder can go on from states at layer ``border``; tried out once, on the longest text."""
        if border not in self._goes_on:
            ids, _ = tokens.padded(tokens.length.argmax().unsqueeze(0))
            with _still(encoder) as device:
                self._goes_on[border] = goes_on(encoder, border, ids.to(device))
        return self._goes_on[border]

    def resumed(self, encoder: nn.Module, tokens: Tokens, border: int, items: Tensor) -> AbstractContextManager[None]:
        """Inside, a forward pass over the tokens of ``items`` goes on from their states at layer ``border``.

        Args:
            encoder: nothing below ``border`` trains.
            tokens: of all items.
            border: index of a layer, at least 1.
            items: (n,) item indices.
        """
        if self._border != border:
            key = _key(encoder, border, tokens, "states")
            self._states = _kept(key, lambda: _below(encoder, tokens, border))
            with _still(encoder):
                self._form = output_form(encoder)
            self._border = border
        items = items.cpu()
        column = torch.arange(int(tokens.length[items].max()))
        inside = torch.minimum(column, tokens.length[items].unsqueeze(1) - 1)  # a padded position repeats a real one
        found = self._states[tokens.offsets[items].unsqueeze(1) + inside]  # (n, T, H)
        return started_at(encoder, border, found.to(next(encoder.parameters())), self._form)


def _kept(key: str, compute: Callable[[], Tensor]) -> Tensor:
    file = cache_dir() / "hidden" / f"{key}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.npy")
        np.save(scratch, compute().cpu().numpy())
        scratch.rename(file)
    return _mapped(file)


def _mapped(file: Path) -> Tensor:
    # copy-on-write: torch wants writable memory, and nothing ever reaches the file
    return torch.from_numpy(np.load(file, mmap_mode="c"))


def _key(encoder: nn.Module, border: int, tokens: Tokens, what: str) -> str:
    config = encoder.config.to_dict()  # type: ignore[union-attr, operator]
    for silent in ("_name_or_path", "transformers_version"):
        config.pop(silent, None)
    settings = json.dumps(config, sort_keys=True, default=str)
    digest = hashlib.sha256(f"{type(encoder).__name__} {border} {what} {tokens.fingerprint} {settings}".encode())
    above = {id(p) for layer in list(layers_of(encoder))[border:] for p in layer.parameters()}
    for name, weight in encoder.named_parameters():
        if id(weight) not in above:
            digest.update(name.encode())
            # a copy, since what numpy has seen cannot be resized any more, as strategies that split weights do
            plain = weight.detach().to("cpu", torch.float32, copy=True)
            digest.update(np.ascontiguousarray(plain.numpy()).tobytes())
    return digest.hexdigest()[:32]


@contextmanager
def _still(encoder: nn.Module) -> Iterator[torch.device]:
    # no gradients, no dropout, no random numbers drawn, no autocast; gives the encoder's device
    modes, device = {m: m.training for m in encoder.modules()}, next(encoder.parameters()).device
    encoder.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield device
    finally:
        for module, training in modes.items():
            module.training = training


def _encode(encoder: nn.Module, tokens: Tokens, read: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    # read: ids (n, T), mask (n, T) -> (n, ...)
    parts = list[tuple[Tensor, Tensor]]()
    with _still(encoder) as device:
        for rows, ids, mask in tokens.chunks(torch.arange(len(tokens.length), device=device)):
            parts.append((rows, read(ids, mask)))
        out = torch.zeros(len(tokens.length), *parts[0][1].shape[1:], device=device, dtype=torch.float32)
        for rows, found in parts:
            out[rows] = found.float()
    return out


def _below(encoder: nn.Module, tokens: Tokens, border: int) -> Tensor:
    out = torch.empty(0)
    with _still(encoder) as device:
        for rows, ids, mask in tokens.chunks(torch.arange(len(tokens.length), device=device)):
            with stopped_before(encoder, border) as caught:
                encoder(input_ids=ids, attention_mask=mask)
            if not len(out):
                out = torch.zeros(len(tokens.flat), caught[0].shape[2], dtype=torch.float32)
            place = tokens.offsets[rows.cpu()].unsqueeze(1) + torch.arange(mask.shape[1])
            real = mask.bool().cpu()
            out[place[real]] = caught[0].float().cpu()[real]
    return out

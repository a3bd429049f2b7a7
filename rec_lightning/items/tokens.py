"""Token ids of all items in flat arrays, handed out in chunks of texts of about equal length."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

# n items of a chunk, T tokens, N items

ON_CPU, ELSEWHERE = 512, 8192


class Tokens:
    """Ragged token ids; item 0 has none.

    Args:
        tokenizer: of the encoder.
        texts: N texts; text ``i`` belongs to item ``i + 1``.
        max_tokens: longer texts are cut.
        chunk_tokens: upper bound of n * T of a chunk (a single longer text is its own chunk); null chooses by the
            device: ``ON_CPU``, where padding costs as much as text, else ``ELSEWHERE``, where many small chunks leave
            the device idle.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, texts: list[str], max_tokens: int, chunk_tokens: int | None = None
    ) -> None:
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0  # any will do: it is masked
        # an empty text becomes one padding token, so that every item has a vector
        encoded = tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"] if texts else []
        lists = [[], *(ids or [pad] for ids in encoded)]
        self.length = torch.tensor([len(x) for x in lists], device="cpu")
        self.offsets = torch.cat([torch.zeros(1, dtype=torch.long, device="cpu"), self.length.cumsum(0)])
        self.flat = torch.from_numpy(np.concatenate([np.array(x, np.int64) for x in lists]))
        self.pad, self.chunk_tokens = int(pad), chunk_tokens
        self.tokenizer, self.max_tokens = tokenizer, max_tokens

    def of(self, texts: list[str]) -> Tokens:
        """The same for other texts."""
        return Tokens(self.tokenizer, texts, self.max_tokens, self.chunk_tokens)

    def told(self, texts: list[str]) -> str | None:
        """What a model that reads these tokens cannot see; None where nothing is lost.

        Args:
            texts: the first of those that were given, one an item.
        """
        if not texts:
            return None
        ids = np.split(self.flat[: int(self.offsets[len(texts) + 1])].numpy(), self.offsets[2 : len(texts) + 1].numpy())
        full = [
            text for text, length in zip(texts, self.length[1:].tolist(), strict=False) if length == self.max_tokens
        ]
        longer = self.tokenizer(full, truncation=True, max_length=self.max_tokens + 1)["input_ids"] if full else []
        cut = sum(len(found) > self.max_tokens for found in longer)
        empty = sum(not text.strip() for text in texts)
        many = Counter(found.tobytes() for found, text in zip(ids, texts, strict=True) if text.strip())
        shared = sum(count for count in many.values() if count > 1)
        losses = (
            (cut, f"are cut at {self.max_tokens} tokens (max_tokens)"),
            (empty, "are empty"),
            (shared, "read the same as another's, which texts alone cannot tell apart"),
        )
        found = [f"{count:,} {what}" for count, what in losses if count]
        return f"of {len(texts):,} items' texts {', '.join(found)}" if found else None

    @property
    def fingerprint(self) -> str:
        """sha256 over all ids and lengths."""
        parts = (self.length.numpy().tobytes(), self.flat.numpy().tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def chunks(self, items: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Chunks that cover every item but the padding.

        Args:
            items: (M,) item indices on any device; the chunks come on the same one.

        Yields:
            rows (n,) into ``items``, ids (n, T) padded at the right, mask (n, T) int64 with 1 at real tokens.
        """
        most = self.chunk_tokens or (ON_CPU if items.device.type == "cpu" else ELSEWHERE)
        length = self.length[items.cpu()]
        order = torch.argsort(length, stable=True)
        order = order[length[order] > 0]
        first = 0
        while first < len(order):
            # lengths ascend, so the last row of a chunk sets its width
            widths = length[order[first:]] * torch.arange(1, len(order) - first + 1)
            count = max(1, int(torch.searchsorted(widths, most, right=True)))
            rows = order[first : first + count]
            ids, mask = self.padded(items.cpu()[rows])
            yield rows.to(items.device), ids.to(items.device), mask.to(items.device)
            first += count

    def padded(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) -> ids (n, T) and mask (n, T), on the CPU."""
        column = torch.arange(int(self.length[items].max()))
        mask = column < self.length[items].unsqueeze(1)
        position = torch.where(mask, self.offsets[items].unsqueeze(1) + column, 0)
        return torch.where(mask, self.flat[position], self.pad), mask.long()

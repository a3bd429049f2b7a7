"""Which pretrained model this is: its name and hashes of what it holds, so that weights learnt on one base never meet
another.

The hash is over the tensors, not over files: the same weights from a hub, a wheel or another file format are the same
model. It is kept on disk beside the sizes and times of the files, so that a later start reads a line.

Relations: ``tasks/lean`` puts it into checkpoints and compares it; ``language_models`` loads the model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rec_lightning.downloads import cache_dir

# what tokenizers differ in beside their vocabulary: case, accents, numbers, spaces, other scripts
PROBE = "Ünïted  Arrows (1995), don't-stop №42 €3.50\n東京 мир naïve ½ﬁ #tag"


def identity(model: str, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> dict[str, str]:
    """Name and hashes of a model as it was loaded; empty on the meta device, where there are no weights.

    Args:
        model: what the user called it.
        encoder: as loaded, nothing added yet.
        tokenizer: as loaded, nothing added yet; None where no text is read.
    """
    if next(encoder.parameters()).device.type == "meta":
        return {}
    # some layers of the same files may be left out
    what = f"{type(encoder).__name__} {encoder.dtype} {encoder.num_parameters()}"
    weights = _remembered(what, Path(str(encoder.name_or_path)), lambda: weights_hash(encoder))
    said = {} if tokenizer is None else {"tokenizer": tokenizer_hash(tokenizer)}
    return {"name": model, "weights": weights} | said


def weights_hash(module: nn.Module) -> str:
    """sha256 over names, types and values of all parameters and saved buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(plain.numpy().data)
    return digest.hexdigest()


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 over the vocabulary and what becomes of a text with everything in it that tokenizers treat differently."""
    content = json.dumps([sorted(tokenizer.get_vocab().items()), tokenizer(PROBE)["input_ids"]])
    return hashlib.sha256(content.encode()).hexdigest()


def _remembered(what: str, folder: Path, compute: Callable[[], str]) -> str:
    files = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(folder.iterdir())]
    key = hashlib.sha256(f"{what} {folder.resolve()} {files}".encode()).hexdigest()[:32]
    place = cache_dir() / "hashes" / key
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = place.with_suffix(f".{os.getpid()}")
        scratch.write_text(compute())
        scratch.rename(place)
    return place.read_text()

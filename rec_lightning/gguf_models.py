"""A language model in a GGUF file, converted once into a folder that Hugging Face reads.

GGUF is the format of llama.cpp, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; ``transformers`` reads it
slowly and refuses to save what it read, so its weights are put into a plain model of the same configuration. Weights
of few bits come out as float32 numbers of the same values: nothing is gained in precision, and nothing lost.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch

from rec_lightning.downloads import cache_dir


def as_folder(file: Path, option: str) -> Path:
    """The folder with ``config.json``, ``model.safetensors`` and the tokenizer, in the cache under the file's checksum.

    Args:
        file: a GGUF file of a causal language model.
        option: what names it in the configuration, for the messages.

    Raises:
        ValueError: the package ``gguf`` is missing, or the file is no model that ``transformers`` knows.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    folder = cache_dir() / "converted" / f"{file.stem}-{digest[:16]}"
    if not folder.is_dir():
        if find_spec("gguf") is None:
            raise ValueError(
                f"{option}={file.name} needs the package gguf, which is not installed. "
                "Run pip install 'rec-lightning[gguf]'."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
            _convert(file, Path(scratch) / "out", option)
            _put(Path(scratch) / "out", folder)
    return folder


def _convert(file: Path, out: Path, option: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with torch.device("cpu"):  # a run is also put together on the meta device, where nothing can be saved
        try:
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        except (OSError, ValueError, LookupError, RuntimeError, struct.error) as error:  # what a broken file leads to
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{option}={file.name} cannot be read as a GGUF model: {reason}. Set {option}.") from error
        config = read.config
        del config.quantization_config
        plain = type(read)(config)
        plain.load_state_dict(read.state_dict())
        plain.save_pretrained(out)
        tokenizer.save_pretrained(out)


def _put(out: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        out.rename(folder)  # one rename, so that a killed conversion leaves nothing half behind
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same weights
            raise

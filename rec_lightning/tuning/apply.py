"""Where a fine-tuning method meets a model: which trunks it touches, and what trains elsewhere.

The rule: what is new trains; what is pretrained trains only as the method says. So a pretrained part outside the
method's target stays frozen, and a new part outside it trains in full.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from rec_lightning.contracts import Tunable, Tuning


def apply(tuning: Tuning, parts: Mapping[str, Tunable]) -> None:
    """Decides in place what trains.

    Args:
        tuning: the method.
        parts: ``items`` and ``backbone``.

    Raises:
        ValueError: the method matched nothing in one of its targets, keeps random weights in one, or has a rate for
            pretrained weights where there are none.
    """
    _check_rates(tuning, parts)
    for name, part in parts.items():
        if tuning.target in (name, "all"):
            part.set_trunk(tuned(tuning, part.trunk, f"{name}={type(part).__name__}", part.pretrained))
        elif part.pretrained:
            part.trunk.requires_grad_(False)


def tuned(tuning: Tuning, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
    """The trunk prepared by the method; one in which nothing was learnt before must train in full.

    Raises:
        ValueError: as ``apply``.
    """
    method = getattr(tuning, "methods", {}).get(name.partition("=")[0], tuning)
    bits = getattr(trunk, "few_bits", None)
    if bits is not None and not getattr(method, "takes_few_bits", False):
        raise ValueError(
            f"{name} keeps its weights in few bits ({bits}), which only tuning=qlora and tuning=frozen can work with. "
            "Set tuning=qlora, or its option quantize=null."
        )
    own = list(trunk.named_parameters())
    made = tuning(trunk, name, pretrained)
    frozen = [place for place, parameter in own if not parameter.requires_grad]
    if frozen and not pretrained:
        raise ValueError(
            f"{name} has no pretrained weights, and this tuning would keep {len(frozen)} of {len(own)} at their random "
            f"start ({frozen[0]}). Set tuning=full or another tuning.target, or start a backbone from an earlier run "
            "with init=<run_dir>."
        )
    return made


def _check_rates(tuning: Tuning, parts: Mapping[str, Tunable]) -> None:
    touched = {name: part for name, part in parts.items() if tuning.target in (name, "all")}
    methods: Mapping[str, Tuning] = getattr(tuning, "methods", {})
    for name, method in methods.items():
        _check_rates(method, {n: part for n, part in touched.items() if n == name})
    asked = getattr(tuning, "asked_rate", None)
    if asked is not None and touched and not any(part.pretrained for part in touched.values()):
        raise ValueError(
            f"tuning.lr_factor is the rate inside pretrained weights, and {' and '.join(touched)} has none, so "
            f"{asked} has no effect. Set tuning.lr_factor=null, and optimizer.lr."
        )

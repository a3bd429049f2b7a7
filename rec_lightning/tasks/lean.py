"""Lean checkpoints: only what was trained, checked by name when it comes back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def lean_state(module: nn.Module) -> dict[str, Tensor]:
    """The trained parameters and the buffers that are saved, by name."""
    frozen = {name for name, p in module.named_parameters(remove_duplicate=False) if not p.requires_grad}
    return {name: tensor for name, tensor in module.state_dict().items() if name not in frozen}


def check_lean(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compares a checkpoint with what this module trains.

    Raises:
        ValueError: a name or a shape differs; names the first few.
    """
    own = lean_state(module)
    missing = [name for name in own if name not in state]
    foreign = [name for name in state if name not in own]
    shapes = [
        f"{name}: {tuple(state[name].shape)} there, {tuple(own[name].shape)} here"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [f"lacks {n}" for n in missing] + [f"has {n}, which does not train here" for n in foreign] + shapes
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(
            f"the checkpoint belongs to another configuration: {'; '.join(problems[:3])}{more}. "
            "Use the configuration it was trained with (config.yaml in its run directory)."
        )

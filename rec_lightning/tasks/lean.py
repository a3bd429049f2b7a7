"""Lean checkpoints: only what was trained, checked by name when it comes back, and by the base it was trained on.

A part says by an attribute ``base`` what its weights have no meaning without: a name, and hashes of the pretrained
model, of the catalogue whose items its rows are, of the vectors it stands on. Hashes must agree; a name may differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def lean_state(module: nn.Module) -> dict[str, Tensor]:
    """The trained parameters and the buffers that are saved, by name."""
    trained = {name for name, p in module.named_parameters(remove_duplicate=False) if p.requires_grad}
    kept = trained | {name for name, _ in module.named_buffers(remove_duplicate=False)}
    # layers of few bits save more than parameters and buffers: the scales of what is frozen
    return {name: tensor for name, tensor in module.state_dict().items() if name in kept}


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


def bases(module: nn.Module) -> dict[str, dict[str, str]]:
    """What the parts of a module stand on, by the part's name: name and hashes."""
    said = {name: getattr(part, "base", None) for name, part in module.named_modules()}
    return {name: base for name, base in said.items() if isinstance(base, dict)}


def check_bases(module: nn.Module, saved: Mapping[str, Mapping[str, str]]) -> None:
    """Compares the models a checkpoint was trained on with those of this module.

    Args:
        module: what the checkpoint shall be loaded into.
        saved: what ``bases`` gave when it was written.

    Raises:
        ValueError: a hash differs.
    """
    for part, own in bases(module).items():
        there = saved.get(part, {})
        for what, value in own.items():
            if what != "name" and there.get(what) != value:
                raise ValueError(
                    f"the checkpoint was trained on another base: {part} had {there.get('name', 'no model')} with "
                    f"{what} {there.get(what, '(none)')[:16]}, here it has {own['name']} with {what} {value[:16]}. "
                    "Use what it was trained with, or train anew in another run_dir."
                )

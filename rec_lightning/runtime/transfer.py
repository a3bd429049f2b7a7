"""Items and backbone that start from an earlier run's: pretrain on behaviour or on texts, go on with anything.

What an earlier run trained is put where it was trained: its tuning is applied once more, its weights are loaded, and
what it added is folded into plain layers, so that any tuning may follow. What comes from the earlier run counts as
pretrained: a fine-tuning method may freeze it, and a checkpoint names it as its base. Rows of another catalogue stay
new; a part that is not built as there is refused, or new where the other part can be had.

Relations: ``build`` calls it between making the parts and applying the method; ``tasks/lean`` says what a run keeps.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from rec_lightning.contracts import Tunable, Tuning
from rec_lightning.runtime.init_files import init_files
from rec_lightning.tasks.lean import bases, lean_state
from rec_lightning.tuning.apply import tuned


def start_from(run_dir: str, parts: Mapping[str, Tunable]) -> list[str]:
    """Gives parts the weights of a run's best epoch; without weights (on the meta device) only compares them.

    Args:
        run_dir: of a run that trained.
        parts: ``items`` and ``backbone``, nothing applied to them yet; those that are loaded become ``pretrained`` and
            get a ``base``.

    Returns:
        A line for each part: what was loaded, what was skipped and what is new.

    Raises:
        ValueError: there is no such run, it trained no part that is here, or a part is of another width, vocabulary
            or kind, or was tuned by a method that cannot be folded.
    """
    checkpoint, settings = init_files(run_dir)
    config = OmegaConf.load(settings)
    assert isinstance(config, DictConfig)
    if config.get("init"):  # what that run started from lies below what it learnt
        start_from(config.init, parts)
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    state, tuning = saved["state_dict"], instantiate(config.tuning)
    told, loaded = [], False
    for name, part in parts.items():
        found = {key.removeprefix(f"{name}."): x for key, x in state.items() if key.startswith(f"{name}.")}
        line, some = _part(run_dir, config, tuning, name, part, found, saved.get("bases", {}))
        told.append(line)
        loaded |= some
    others = sorted({key.split(".")[0] for key in state} - set(parts))
    if not loaded and not _rehearsed(parts):
        trained = ", ".join(sorted({".".join(key.split(".")[:2]) for key in state}))
        raise ValueError(
            f"init must name a run that trained a part of this one, and {run_dir} trained {trained}, of which nothing "
            "is here. Set items and backbone as there, or another init."
        )
    return told + [f"init: skipped {', '.join(others)}, which only that task has"] * bool(others)


def _part(
    run_dir: str, config: DictConfig, tuning: Tuning, name: str, part: Tunable, found: dict[str, Tensor], there: Any
) -> tuple[str, bool]:
    # what is told of a part, and whether anything of it was loaded
    assert isinstance(part, nn.Module)
    if not found:
        return f"init: {name} new, {run_dir} trained none", False
    if name == "items":
        kind = str(config["items"]["_target_"]).rpartition(".")[2]
        if kind != type(part).__name__:
            return f"init: items new, a {type(part).__name__} here and a {kind} in {run_dir}", False
        if _is_meta(part):
            part.pretrained = True  # unless its rows are of another catalogue, which is known with the data
            return "", True
    target = copy.deepcopy(part) if _is_meta(part) else part
    own = _as_there(tuning, name, target, run_dir)
    skipped = _of_another_catalogue(run_dir, name, part, there)
    own, kept = (
        {key: x for key, x in side.items() if not (skipped and key.startswith(skipped))} for side in (own, found)
    )
    new = sorted(own.keys() - kept.keys()) if name == "items" else []  # a run on texts has no projection
    _compare(run_dir, name, {key: x for key, x in own.items() if key not in new}, kept)
    if _is_meta(part):
        part.pretrained = True
        return "", True
    _load(run_dir, name, part, kept, tuning)
    left = [f"skipped {prefix or 'all'} (rows of another catalogue, new here)" for prefix in sorted(skipped)]
    left += [f"new {', '.join(new)}"] * bool(new)
    return f"init: {'; '.join([f'{name} loaded {len(kept)} tensors from {run_dir}', *left])}", bool(kept)


def _load(run_dir: str, name: str, part: Tunable, kept: Mapping[str, Tensor], tuning: Tuning) -> None:
    # what was learnt becomes plain weights, all of which may train until the next method says otherwise
    assert isinstance(part, nn.Module)
    part.load_state_dict(kept, strict=False)
    before = list(part.trunk.parameters())  # what lies outside the trunk trains or not as the part says
    trunk = tuning.merge(part.trunk) if tuning.target in (name, "all") else part.trunk
    for parameter in (*before, *trunk.parameters()):
        parameter.requires_grad_(parameter.is_floating_point())
    part.set_trunk(trunk)
    if kept:
        part.pretrained = True
        digest = hashlib.sha256(b"".join(kept[key].contiguous().numpy().tobytes() for key in sorted(kept)))
        base = {"name": run_dir} | (getattr(part, "base", None) or {})
        part.base = base | {"init": digest.hexdigest()}  # type: ignore[assignment]


def _as_there(tuning: Tuning, name: str, part: Tunable, run_dir: str) -> dict[str, Tensor]:
    # the part as it was trained in the earlier run: what it kept, by name
    assert isinstance(part, nn.Module)
    if tuning.target in (name, "all"):
        if not getattr(tuning, "foldable", True):
            raise ValueError(
                f"init must name a run whose tuning can be folded into plain layers, and {run_dir} was trained with "
                f"tuning={type(tuning).__name__}, which keeps what it added. Set another init."
            )
        part.set_trunk(tuned(tuning, part.trunk, f"{name}={type(part).__name__}", part.pretrained))
    elif part.pretrained:
        part.trunk.requires_grad_(False)
    return lean_state(part)


def _of_another_catalogue(run_dir: str, name: str, part: nn.Module, there: Mapping[str, Any]) -> tuple[str, ...]:
    """Prefixes of the names whose rows belong to items that are not those of the run.

    Raises:
        ValueError: a language model is another one than there.
    """
    found = []
    for place, own in bases(part).items():
        theirs = there.get(f"{name}.{place}".rstrip("."), {})
        differing = [key for key, value in own.items() if key not in ("name", "init") and theirs.get(key) != value]
        if not differing:
            continue
        if set(differing) & {"catalogue", "values"}:
            found.append(f"{place}." if place else "")
            continue
        raise ValueError(
            f"init must name a run on the same language model and vocabulary, and {name} is {own['name']} here and "
            f"{theirs.get('name', 'no model')} in {run_dir} ({', '.join(differing)} differ). Set the model as there."
        )
    return tuple(found)


def _compare(run_dir: str, name: str, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    differing = sorted(own.keys() ^ found.keys()) or [n for n in own if own[n].shape != found[n].shape]
    if differing:
        both = [n for n in differing[:3] if n in own and n in found]
        shapes = [f"{n} {tuple(found[n].shape)} there, {tuple(own[n].shape)} here" for n in both]
        raise ValueError(
            f"init must name a run whose {name} is built as this one, and {run_dir} differs in "
            f"{', '.join(shapes or differing[:3])}. Set the options of {name} and width as there, or another init."
        )


def _is_meta(part: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in part.state_dict().values())


def _rehearsed(parts: Mapping[str, Tunable]) -> bool:
    return any(_is_meta(part) for part in parts.values() if isinstance(part, nn.Module))

"""What an evaluation was asked for: a run, and the options in which it shall differ from it.

The run's resolved configuration is taken as it stands, so that later changes of defaults do not reach it. A group
that is chosen anew is composed with the run's own root options (``top_k``, ``seed``, ...) and put in its place; an
option is set in what is then there.

Relations: ``evaluation`` does what is asked here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.finished import read_finished
from rec_lightning.runtime.overrides import SEARCH, key_of, parse_overrides

_OWN = {"run": None, "stage": "test", "name": None, "run_dir": None, "allow_trained": False, "attack": None}
_GROUPS = ("data", "ranking", "rerank", "metrics")
_ROOT = ("seed", "max_length", "top_k", "width")


@dataclass(frozen=True)
class Request:
    """An evaluation to do.

    Args:
        run: directory of the run.
        stage: ``val`` or ``test``.
        allow_trained: whether targets that were trained on are measured too.
        attack: by how much of their mean length item vectors are moved against a model that scores; None for not.
        trained: the run's configuration.
        config: the same with what differs; its ``run_dir`` is that of the evaluation.
        manifest: of the run.
    """

    run: Path
    stage: str
    allow_trained: bool
    attack: float | None
    trained: DictConfig
    config: DictConfig
    manifest: dict[str, Any]


def read_request(overrides: list[str]) -> Request:
    """Reads ``run=DIR`` and the options beside it.

    Raises:
        ValueError: no complete run, or an option that is none of an evaluation.
    """
    own, others = _sorted(overrides)
    if own["run"] is None:
        raise ValueError("run must be given, it has no default. Set run=DIR, the run_dir of a complete run.")
    run = Path(str(own["run"])).expanduser()
    finished = read_finished(run, scoring=True)
    config = _evaluated(finished.config, finished.manifest["verb"], own, others)
    attack = config.evaluation.get("attack")
    OmegaConf.update(config, "run_dir", str(_place(run, own, _told(str(own["stage"]), others, attack))))
    return Request(run, str(own["stage"]), own["allow_trained"], attack, finished.config, config, finished.manifest)


def expected(trained: DictConfig, verb: str, overrides: list[str]) -> DictConfig:
    """The configuration of an evaluation but for its ``run_dir``; the run itself need not be there yet.

    Args:
        trained: resolved, of the run.
        verb: which made the run: ``train`` or ``baseline``.
        overrides: as of ``read_request``.

    Raises:
        ValueError: an option that is none of an evaluation of such a run.
    """
    return _evaluated(trained, verb, *_sorted(overrides))


def _sorted(overrides: list[str]) -> tuple[dict[str, Any], list[Override]]:
    # what is the evaluation's own, and in what it differs from the run
    parsed = parse_overrides(overrides)
    own = _OWN | {o.key_or_group: o.value() for o in parsed if o.key_or_group in _OWN}
    if own["stage"] not in ("val", "test"):
        raise ValueError(f"stage must be val or test, got {own['stage']!r}. Set stage.")
    if not isinstance(own["allow_trained"], bool):
        raise ValueError(f"allow_trained must be true or false, got {own['allow_trained']!r}. Set allow_trained.")
    return own, [o for o in parsed if o.key_or_group not in _OWN]


def _evaluated(trained: DictConfig, verb: str, own: dict[str, Any], others: list[Override]) -> DictConfig:
    attack = _attack(own["attack"], trained)
    config = _differing(trained, verb, others)
    own_options: dict[str, Any] = {"stage": own["stage"], "allow_trained": own["allow_trained"]}
    if attack is not None:
        own_options["attack"] = attack
    OmegaConf.update(config, "evaluation", own_options, force_add=True)
    return config


def _place(run: Path, own: dict[str, Any], words: list[str]) -> Path:
    if own["run_dir"] is not None:
        if own["name"] is not None:
            raise ValueError(f"name is that of a folder in the run, and run_dir={own['run_dir']} is another. Drop one.")
        return Path(str(own["run_dir"])).expanduser()
    name = own["name"] or ",".join(words)
    if not re.fullmatch(r"[\w.,=+-]+", str(name)):
        raise ValueError(f"name must be the name of a folder, got {name!r}. Set name.")
    return run / "evaluations" / str(name)


def _differing(trained: DictConfig, verb: str, others: list[Override]) -> DictConfig:
    _check_scoring(trained, others)
    for override in others:
        first = re.split(r"[./@]", override.key_or_group, maxsplit=1)[0]
        if override.key_or_group not in (SEARCH, "top_k") and first not in _GROUPS:
            raise ValueError(
                f"an evaluation may differ from its run in {', '.join(_GROUPS)} only, got {override.input_line}. "
                "Leave it out."
            )
    choices = [o for o in others if _chooses(trained, o)]
    values = [o for o in others if o not in choices and o.key_or_group not in (SEARCH, "top_k")]
    extra = [o for o in others if o.key_or_group in (SEARCH, "top_k")]
    if any(o.key_or_group == "top_k" for o in extra) and not any(o.key_or_group == "metrics" for o in choices):
        raise ValueError("top_k has an effect only where metrics is chosen anew. Add for example metrics=ranking.")
    config = trained.copy()
    if choices:
        given = {o.key_or_group for o in extra}
        plain = OmegaConf.to_container(trained)
        assert isinstance(plain, dict)
        known = [key for key in _ROOT if key in plain and key not in given]
        roots = [f"{key}={json.dumps(plain[key])}" for key in known]
        composed = compose(verb, [*roots, *(str(o.input_line) for o in (*choices, *extra))])
        for choice in choices:
            key = choice.key_or_group.replace("/", ".")
            OmegaConf.update(config, key, OmegaConf.select(composed, key), merge=False)
    for override in values:
        key = key_of(override)
        if OmegaConf.select(config, key, default=_OWN) is _OWN:
            raise ValueError(f"unknown option {key}: the run's configuration has none of this name. Leave it out.")
        OmegaConf.update(config, key, override.value(), merge=False)
    return config


def _check_scoring(trained: DictConfig, others: list[Override]) -> None:
    # what a head knows of users, events and words is that of the data the run was trained on
    known = ("metrics", "data.eval_batch_size", SEARCH)
    wrong = [o.input_line for o in others if o.key_or_group.split(".")[0] not in known and key_of(o) not in known]
    if trained.get("label") and wrong:
        raise ValueError(
            "an evaluation of a run that scored labels may differ in metrics and data.eval_batch_size, got "
            f"{wrong[0]}. Leave it out."
        )


def _chooses(trained: DictConfig, override: Override) -> bool:
    # a word in the place of a whole part; a run of before a group was there has none of it
    there = OmegaConf.select(trained, override.key_or_group.replace("/", "."), default=None)
    part = isinstance(there, DictConfig) or override.key_or_group in _GROUPS
    return "/" in override.key_or_group or (part and isinstance(override.value(), str))


def _attack(value: Any, trained: DictConfig) -> float | None:
    if value is None:
        return None
    if not trained.get("label"):
        raise ValueError(f"attack is for runs that scored labels, and this one ranks, got {value!r}. Leave it out.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"attack must be a positive share of the mean length of item vectors, got {value!r}. Set it.")
    return float(value)


def _told(stage: str, others: list[Override], attack: float | None) -> list[str]:
    told = [str(o.input_line) for o in others if o.key_or_group != SEARCH]
    words = [re.sub(r"[^\w.=+-]+", "-", text).strip("-") for text in sorted(told)]
    words += [] if attack is None else [f"attack={attack:g}"]
    return [*(words or ["as-trained"]), *([stage] if stage != "test" else [])]

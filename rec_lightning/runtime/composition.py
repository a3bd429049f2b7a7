"""One resolved config of a root file and its overrides, by Hydra's compose API; every fault is told for people.

Third parties add folders with ``hydra.searchpath=["file:///x"]`` or ``["pkg://y.conf"]``. No global state of
Hydra is left behind, and the working folder does not matter.

Relations: ``overrides`` judges what was written; ``check`` binds what was composed to the signatures; ``options``
reads the same folder as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from rec_lightning.runtime.options import conf_dir as conf_dir
from rec_lightning.runtime.options import is_choice
from rec_lightning.runtime.overrides import (
    SEARCH,
    check_choice,
    check_option,
    check_search,
    keys_of,
    listed,
    parse_overrides,
)


def compose(root: str, overrides: list[str], conf: Path | None = None) -> DictConfig:
    """The resolved config of ``conf/<root>.yaml`` with ``overrides``.

    Args:
        root: name of a root file, ``train`` or ``baseline``.
        overrides: as on the command line, ``option=value`` or ``group=choice``.
        conf: another folder than the project's own.

    Raises:
        ValueError: an override has no valid form or no effect, is unknown or given twice; a value is missing; a
            reference points nowhere.
    """
    parsed = parse_overrides(overrides)
    folder = (conf or conf_dir()).resolve()
    try:
        with hydra.initialize_config_dir(str(folder), version_base="1.3"):
            config = _compose(root, parsed)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ValueError(f"{root} cannot be composed: {' '.join(str(error).split())}") from error
    return _resolve(config)


def _compose(root: str, parsed: list[Override]) -> DictConfig:
    search = [o for o in parsed if o.key_or_group == SEARCH]
    for override in search:
        check_search(override)
    where = _lines(search)
    plain = hydra.compose(root, where, return_hydra_config=True)
    single = _groups(plain)
    # Hydra does not count a group with a list of choices, but then its name is a key of the root
    several = set(map(str, plain)) & _folders(root, where) - single - {"hydra"}
    groups, values = list[Override](), list[Override]()
    # a group inside a group (loss/negatives, head@task.objectives.like.head) exists where the choice above it has one
    for override in sorted((o for o in parsed if o.key_or_group != SEARCH), key=_inside):
        choices = _choices(root, where, override.key_or_group)
        if choices and not isinstance(override.value(), dict):
            if _inside(override):
                single = _groups(hydra.compose(root, where + _lines(groups), return_hydra_config=True))
            check_choice(override, choices, root, single | several, override.key_or_group in several)
            groups.append(override)
        else:
            values.append(override)
    # each composition takes a fifth of a second, so what is there already is not made again
    config = hydra.compose(root, where + _lines(groups)) if groups else _without_hydra(plain)
    if values:
        chosen = _container(config)
        known = [*keys_of(chosen), *(group for group in single if "/" in group)]
        for override in values:
            check_option(override, root, chosen, known)
        config = hydra.compose(root, where + _lines(groups + values))
    parts = {group.split("/")[0] for group in single | several} | set(map(str, plain))
    for extra in sorted(set(map(str, config)) - parts):
        raise ValueError(
            f"{extra} is no part of {root}, so it would have no effect. Parts: {listed(single | several)}."
        )
    return config


def _inside(override: Override) -> bool:
    return "/" in override.key_or_group or override.package is not None


def _groups(config: DictConfig) -> set[str]:
    return {group for group in config.hydra.runtime.choices if not group.startswith("hydra/")}


def _lines(overrides: list[Override]) -> list[str]:
    return [str(o.input_line) for o in overrides]


def _choices(root: str, where: list[str], group: str) -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return list(filter(is_choice, loader.get_group_options(group, config_name=root, overrides=where)))


def _folders(root: str, where: list[str]) -> set[str]:
    loader = GlobalHydra.instance().config_loader()
    return set(loader.get_group_options("", ObjectType.GROUP, config_name=root, overrides=where))


def _without_hydra(config: DictConfig) -> DictConfig:
    with flag_override(config, ["struct", "readonly"], False):
        config.pop("hydra")
    return config


def _container(config: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))


def _resolve(config: DictConfig) -> DictConfig:
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ValueError(f"{missing[0]} must be given, it has no default. Set {missing[0]}=<value>.")
        OmegaConf.resolve(config)
    except InterpolationResolutionError as error:
        reason = str(error.msg or error).splitlines()[0]
        key = error.full_key
        raise ValueError(f"{key} must refer to an option or resolver that exists: {reason}. Set {key}.") from error
    return config

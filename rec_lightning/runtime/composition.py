"""One resolved config of a root file and its overrides, by Hydra's compose API; every fault is told for people.

Third parties add folders with ``hydra.searchpath=["file:///x"]`` or ``["pkg://y.conf"]``. No global state of
Hydra is left behind, and the working folder does not matter. A composition takes a fifth of a second, and the rows of
a study share most of theirs, so that each is made once as long as no file of the folders changes.

Relations: ``overrides`` judges what was written; ``check`` binds what was composed to the signatures; ``options``
reads the same folder as text.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
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
            config = _compose(_Place.of(root, folder, parsed), parsed)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ValueError(f"{root} cannot be composed: {' '.join(str(error).split())}") from error
    return _resolve(config)


@dataclass(frozen=True)
class _Place:
    """What is composed from; equal places give equal configs.

    Args:
        root: name of a root file.
        folder: which has it.
        search: overrides that name further folders.
        files: path and time of change of every file there but in packages.
    """

    root: str
    folder: Path
    search: tuple[str, ...]
    files: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, root: str, folder: Path, parsed: list[Override]) -> _Place:
        """Raises ValueError where a further folder is not there."""
        search = [o for o in parsed if o.key_or_group == SEARCH]
        for override in search:
            check_search(override)
        named = [str(place) for override in search for place in cast(list[Any], override.value())]
        folders = [folder, *(Path(name.removeprefix("file://")) for name in named if name.startswith("file://"))]
        files = sorted(file for place in folders for file in place.rglob("*.yaml"))
        return cls(root, folder, _lines(search), tuple((str(file), file.stat().st_mtime_ns) for file in files))


def _compose(place: _Place, parsed: list[Override]) -> DictConfig:
    root, plain = place.root, _composed(place, ())
    single = _groups(plain)
    # Hydra does not count a group with a list of choices, but then its name is a key of the root
    several = set(map(str, plain)) & _folders(place) - single - {"hydra"}
    groups, values = list[Override](), list[Override]()
    # a group inside a group (loss/negatives, head@task.objectives.like.head) exists where the choice above it has one
    for override in sorted((o for o in parsed if o.key_or_group != SEARCH), key=_inside):
        choices = list(_choices(place, override.key_or_group))
        if choices and not isinstance(override.value(), dict):
            if _inside(override):
                single = _groups(_composed(place, _lines(groups)))
            check_choice(override, choices, root, single | several, override.key_or_group in several)
            groups.append(override)
        else:
            values.append(override)
    config = _composed(place, _lines(groups))
    if values:
        chosen = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
        del chosen["hydra"]
        known = [*keys_of(chosen), *(group for group in single if "/" in group)]
        for override in values:
            check_option(override, root, chosen, known)
        config = _composed(place, _lines(groups + values))
    config = _without_hydra(config)
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


def _lines(overrides: list[Override]) -> tuple[str, ...]:
    return tuple(str(o.input_line) for o in overrides)


# what these three return is shared, so that nobody may change it


@lru_cache(maxsize=32)  # a third of a MB each
def _composed(place: _Place, lines: tuple[str, ...]) -> DictConfig:
    return hydra.compose(place.root, [*place.search, *lines], return_hydra_config=True)


@lru_cache(maxsize=1024)
def _choices(place: _Place, group: str) -> tuple[str, ...]:
    loader = GlobalHydra.instance().config_loader()
    return tuple(filter(is_choice, loader.get_group_options(group, config_name=place.root, overrides=[*place.search])))


@lru_cache(maxsize=32)
def _folders(place: _Place) -> frozenset[str]:
    loader = GlobalHydra.instance().config_loader()
    return frozenset(loader.get_group_options("", ObjectType.GROUP, config_name=place.root, overrides=[*place.search]))


def _without_hydra(config: DictConfig) -> DictConfig:
    own = deepcopy(config)
    with flag_override(own, ["struct", "readonly"], False):
        own.pop("hydra")
    return own


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

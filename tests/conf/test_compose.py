"""Every file of ``conf/`` composes, and its keys bind to the signature of its target."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict

from rec_lightning.runtime.asked import expected
from rec_lightning.runtime.check import check_signatures
from rec_lightning.runtime.composition import compose, conf_dir
from rec_lightning.runtime.options import read_groups, read_root
from rec_lightning.runtime.ranges import check_ranges
from rec_lightning.studies.plan import row_overrides
from rec_lightning.studies.reading import load_study

ROOTS = sorted(file.stem for file in conf_dir().glob("*.yaml"))
STUDIES = sorted((conf_dir().parent / "experiments").glob("*/study.yaml"))
# groups that only a choice of another group has
WITHIN = {"objective": "task=multitask +objective@task.objectives.more"}


def choices() -> list[tuple[str, str]]:
    """(root, overrides) of every choice, by a root that has its group; nested groups by a choice above them."""
    cases, groups = [], read_groups(conf_dir())
    for group, files in groups.items():
        outer, _, inner = group.partition("/")
        roots = [root for root in ROOTS if outer in read_root(conf_dir(), root).defaults]
        if group in WITHIN:
            cases += [("train", f"{WITHIN[group]}={choice}") for choice in files]
            continue
        assert roots, f"no root has the group {group}"
        holders = [c for c in groups.get(outer, {}) if inner in read_root(conf_dir() / outer, c).defaults]
        above = f"{outer}={holders[0]} " if inner else ""
        cases += [(root, f"{above}{group}={choice}") for root in roots for choice in files]
    return cases


def composed(root: str, *given: str) -> DictConfig:
    """With the values that a choice leaves to be given filled in."""
    overrides = [*given]
    while True:
        try:
            return compose(root, overrides)
        except ValueError as error:
            gap = re.match(r"(\S+) must be given, it has no default", str(error))
            if gap is None:
                raise
            overrides.append(f"{gap[1]}=x")


def targets(node: object, path: str) -> Iterator[tuple[str, DictConfig]]:
    """Every node that names a target whose signature is closed."""
    if isinstance(node, DictConfig):
        if "_target_" in node:
            parameters = inspect.signature(get_object(node["_target_"])).parameters.values()
            if all(p.kind is not p.VAR_KEYWORD for p in parameters):
                yield path, node
        for key, value in node.items():
            yield from targets(value, f"{path}.{key}")


@pytest.mark.parametrize("root", ROOTS)
def test_defaults_compose_and_bind(root: str) -> None:
    config = compose(root, [])
    check_signatures(config)
    check_ranges(config)


@pytest.mark.parametrize(("root", "override"), choices())
def test_every_choice_composes_and_binds_and_a_misspelt_key_does_not(root: str, override: str) -> None:
    config = composed(root, *override.split())
    check_signatures(config)
    group = re.sub(r".*@", "", override.split()[-1].partition("=")[0]).replace("/", ".")
    for path, node in list(targets(OmegaConf.select(config, group), group)):
        with open_dict(node):
            node["zzz_no_such_key"] = 1
        with pytest.raises(ValueError, match=rf"^unknown option {path}\.zzz_no_such_key; nearest: "):
            check_signatures(config)
        with open_dict(node):
            del node["zzz_no_such_key"]


def test_several_loggers_at_once() -> None:
    assert {"csv", "wandb"} <= set(compose("train", ["logger=[csv,wandb]"]).logger)
    assert "wandb" not in compose("train", ["logger=csv"]).logger


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.parent.name)
def test_every_row_of_every_study_composes_and_binds(file: Path) -> None:
    study = load_study(file)
    rows = {row.name: row for row in study.rows}
    for row in rows.values():
        own = row_overrides(study, row)  # a row's own take the place of those of all rows
        if row.verb == "evaluate":  # of a run that is not there yet
            source = rows[row.of[0]]
            trained = composed(source.verb, *row_overrides(study, source))
            check_signatures(expected(trained, source.verb, own))
        else:
            config = composed(row.verb, *own)
            check_signatures(config)
            check_ranges(config)

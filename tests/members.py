"""Every member of a room, found by its file in ``conf``: a contract test covers a new member without an edit."""

from __future__ import annotations

from functools import cache
from typing import Any

from hydra.utils import instantiate

from rec_lightning.runtime.composition import compose, conf_dir
from rec_lightning.runtime.options import is_choice

# small enough for a test, and as a user would say it
SMALL = {"train": ["width=16", "max_length=8"], "baseline": []}


def members(group: str) -> list[str]:
    """The choices of ``conf/<group>``."""
    return sorted(file.stem for file in (conf_dir() / group).glob("*.yaml") if is_choice(file.stem))


@cache
def composed(group: str, choice: str, *overrides: str, root: str = "train") -> Any:
    """The config of one choice, as a user would get it."""
    return compose(root, [*SMALL[root], f"{group}={choice}", *overrides])[group]


def member(group: str, choice: str, *overrides: str, root: str = "train") -> Any:
    """One choice, made as a run would make it."""
    return instantiate(composed(group, choice, *overrides, root=root))

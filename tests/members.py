"""Every member of a room, found by its file in ``conf``: a contract test covers a new member without an edit."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hydra.utils import get_object, instantiate

from rec_lightning.contracts import Catalog
from rec_lightning.runtime.composition import compose, conf_dir
from rec_lightning.runtime.options import is_choice

# small enough for a test, and as a user would say it
SMALL = {"train": ["width=16", "max_length=8"], "baseline": [], "recommend": [], "fuse": []}

NONE = {(group, "none") for group in ("backbone", "head", "loss", "metrics", "structure", "balancing")}


def members(group: str, scoring: bool = False) -> list[str]:
    """The choices of ``conf/<group>``: those for tasks that rank, or those for tasks that score labels.

    Those that go with backbones over prompts alone are in neither, nor is a backbone that reads no history.
    """
    files = sorted(file for file in (conf_dir() / group).glob("*.yaml") if is_choice(file.stem))
    # "none" of these is for a multi-task training, whose objectives have their own, or for one on texts alone
    files = [file for file in files if (group, file.stem) not in NONE]
    # a part of scoring says the kinds of labels it is for
    others = ("per_candidate", "reads_history")
    return [f.stem for f in files if _says(f, "kinds") == scoring and not any(_says(f, what) for what in others)]


def _says(file: Path, what: str) -> bool:
    target = re.search(r"_target_: (rec_lightning\.\S+)", file.read_text())
    return target is not None and hasattr(get_object(target[1]), what)


@cache
def composed(group: str, choice: str, *overrides: str, root: str = "train") -> Any:
    """The config of one choice, as a user would get it."""
    return compose(root, [*SMALL[root], f"{group}={choice}", *overrides])[group]


def member(group: str, choice: str, *overrides: str, root: str = "train") -> Any:
    """One choice, made as a run would make it."""
    return instantiate(composed(group, choice, *overrides, root=root))


def backbone(choice: str, language_model: Callable[..., str], *overrides: str) -> Any:
    """One backbone with a tiny language model wherever one is asked for, and ten users for one that knows them."""
    model = composed("backbone", choice).get("trunk", {}).get("model")
    tiny = [f"backbone.trunk.model={language_model('llama')}"] if model else []
    made = member("backbone", choice, *tiny, *overrides)
    return made(catalog=ten_people()) if isinstance(made, partial) else made


def ten_people() -> Catalog:
    """No items, and ten users with the columns of MovieLens."""
    columns = {"gender": ["F", "M"] * 5, "occupation": ["nurse"] * 5 + ["cook"] * 5, "age": list(range(20, 30))}
    users = pl.DataFrame({"user": [f"u{n}" for n in range(10)], **columns})
    return Catalog(pl.DataFrame({"item": []}, schema={"item": pl.String}), np.zeros(1, np.int64), users)

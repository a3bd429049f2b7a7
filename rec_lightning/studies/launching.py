"""Where a study's runs start: ``launch=local``, or ``launch=slurm`` and ``launch=ray`` with ``launch.OPTION=value``.

Relations: ``options`` sorts the words; ``processes``, ``submitted`` and ``ray_tasks`` are the places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rec_lightning.studies.job import Place
from rec_lightning.studies.processes import Processes

PLACES = ("local", "slurm", "ray")
_AT_A_TIME = {"local": 1, "slurm": 64, "ray": 64}

Setting = bool | int | str | list[str]


def place_of(name: str, settings: Mapping[str, str], folder: Path) -> Place:
    """The place of this name.

    Args:
        name: one of ``PLACES``.
        settings: its options as text, by name without ``launch.``.
        folder: of the study.

    Raises:
        ValueError: another name, options without effect, or a cluster that is not there.
    """
    if name not in PLACES:
        raise ValueError(f"launch must be one of {list(PLACES)}, got {name!r}.")
    if name == "local":
        if settings:
            raise ValueError(
                f"launch=local has no options, got {sorted(settings)}. Set launch=slurm or launch=ray, or jobs=N."
            )
        return Processes()
    if name == "ray":
        from rec_lightning.studies.ray_tasks import ray_tasks

        return ray_tasks(settings)
    from rec_lightning.studies.submitted import slurm

    return slurm(folder, {key: value_of(text) for key, text in settings.items()})


def at_a_time(name: str) -> int:
    """How many runs run at a time where ``jobs`` is not given."""
    return _AT_A_TIME.get(name, 1)


def value_of(text: str) -> Setting:
    """A setting's value: a whole number, true or false, a list in brackets, else the text as it is.

    Example:
        >>> [value_of(text) for text in ("4", "true", "1:00:00", "[module load cuda, env]")]
        [4, True, '1:00:00', ['module load cuda', 'env']]
    """
    text = text.strip("'\"")
    if re.fullmatch(r"\d+", text):
        return int(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.startswith("[") and text.endswith("]"):
        return [part.strip() for part in text[1:-1].split(",")]
    return text

"""``train --multirun`` as Hydra has it, as a study: values with commas, ``range(...)``, ``choice(...)``, ``glob(...)``.

What differs from Hydra: the combinations are the rows of a study, which is written into the folder. So runs stand in
processes of their own, failed ones do not stop the others, the same line again runs what is missing, and a table with
intervals is at the end. ``seed=1,2,3`` are the seeds of every row. A row that was there keeps its run when values are
added.

Relations: ``study`` runs what is written here; ranges that an optimiser searches stand in a study's ``search``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

from rec_lightning.runtime.refusal import refusing

FLAGS = ("--multirun", "-m")
_OF_STUDY = ("run_dir", "jobs", "launch", "calibrate")


def run(overrides: list[str]) -> int:
    """Writes the study of a line and runs it.

    Args:
        overrides: what stands behind ``train``, with the flag; options of ``study`` (``jobs``, ``launch``,
            ``calibrate``) among them.

    Raises:
        Refusal: an override that has no form or is given twice, a range without steps, a choice of no group, or what
            ``study`` refuses.
    """
    with refusing():
        words = [word for word in overrides if word not in FLAGS]
        own = [word for word in words if word.partition("=")[0] in _OF_STUDY or word.startswith("launch.")]
        places = [word.partition("=")[2].strip("'\"") for word in own if word.startswith("run_dir=")]
        folder = Path(places[0] if places else f"multirun/{datetime.now():%Y-%m-%d_%H-%M-%S}")
        content = content_of([word for word in words if word not in own])
        from omegaconf import OmegaConf  # the front door stays light

        try:
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(OmegaConf.create(content), folder / "study.yaml")
        except OSError as error:
            raise ValueError(f"run_dir must be writable, got {folder}: {error.strerror}. Set run_dir=PATH.") from error
    from rec_lightning.study import run as run_study

    return run_study([str(folder / "study.yaml"), *own, *([] if places else [f"run_dir={folder}"])])


def content_of(words: Sequence[str]) -> dict[str, Any]:
    """What the study's file holds.

    Raises:
        ValueError: as ``run``.
    """
    from rec_lightning.runtime.composition import compose

    values = _values(words)
    given = [text.partition("=")[2] for text in values.pop("seed", [])]
    if not all(seed.isdecimal() for seed in given):
        raise ValueError(f"seed must be whole numbers, got {','.join(given)}. Write for example seed=1,2,3.")
    seeds = [int(seed) for seed in given]
    swept = {key: texts for key, texts in values.items() if len(texts) > 1}
    common = [texts[0] for key, texts in values.items() if key not in swept]
    rows = [list(row) for row in product(*swept.values())]
    monitor = str(compose("train", [*common, *rows[0]]).monitor)
    metric = monitor.removeprefix("val/")
    return {
        "title": "Multirun" + (f" over {', '.join(swept)}" if swept else ""),
        "question": f"Which of {len(rows)} configurations is best by {metric}?",
        "protocol": "As configured; nothing is chosen among the rows.",
        "metrics": [metric],
        "primary": metric,
        "fixed": list(swept),
        **({"seeds": seeds} if seeds else {}),
        "common": {"train": common},
        "rows": [
            {"name": name, "verb": "train", "overrides": row} for name, row in zip(_names(rows), rows, strict=True)
        ],
    }


def _names(rows: Sequence[Sequence[str]]) -> list[str]:
    from rec_lightning.studies.study import RowSpec

    names = [", ".join(row) or "as it is" for row in rows]
    slugs = [RowSpec(name, "train", ()).slug for name in names]
    return [
        f"{name} ({n})" if slugs.count(slug) > 1 else name
        for n, (name, slug) in enumerate(zip(names, slugs, strict=True))
    ]


def _values(words: Sequence[str]) -> dict[str, list[str]]:
    """Each key with its overrides, one a value, in the order of the line."""
    from rec_lightning.runtime.overrides import key_of, parse_override

    found = dict[str, list[str]]()
    for text in words:
        override = parse_override(text, "option=value, option=a,b or group=choice")
        key = key_of(override)
        if key in found:
            raise ValueError(f"{key} must be given once, got {found[key][0]!r} and {text!r}. Leave one out.")
        found[key] = _each(override, text)
    return found


def _each(override: Any, text: str) -> list[str]:
    from hydra.core.override_parser.types import Glob

    from rec_lightning.runtime.options import conf_dir

    if not override.is_sweep_override():
        return [text]
    key = override.get_key_element()
    if isinstance(value := override.value(), Glob):
        choices = sorted(path.stem for path in (conf_dir() / override.key_or_group).glob("*.yaml"))
        if not (chosen := value.filter(choices)):
            raise ValueError(f"{text} matches no choice. Choices: {', '.join(choices) or 'none, it is no group'}.")
        return [f"{key}={name}" for name in chosen]
    if not override.is_discrete_sweep():
        raise ValueError(
            f"--multirun needs values one by one, got {text!r}. Write option=a,b or range(...), or a study, "
            "whose `search` takes ranges."
        )
    return [f"{key}={one}" for one in override.sweep_string_iterator()]

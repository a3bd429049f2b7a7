"""What is typed after ``rec-lightning study``: which study, the launcher's own options, and overrides of the rows.

Relations: the front door ``study`` parses with it; ``plan`` hands the overrides on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rec_lightning.studies.launching import at_a_time

_SETTING = "launch."
_OWN = ("run_dir", "jobs", "seeds", "publish", "launch", "calibrate", "wandb_sweep")


@dataclass(frozen=True)
class Options:
    """The launcher's own options.

    Args:
        study: slug or path.
        folder: of the whole study.
        overrides: for the rows.
        jobs: processes at a time.
        seeds: in place of the study's; empty where it keeps its own.
        publish: whether the outcome is written beside the study's file too.
        calibrate: whether a short run of each row comes first.
        wandb_sweep: folder for sweeps of W&B, which are written in place of running; empty where the study runs.
        launch: where runs start.
        settings: of that place, by name without ``launch.``.
    """

    study: str
    folder: Path
    overrides: tuple[str, ...]
    jobs: int = 1
    seeds: tuple[int, ...] = ()
    publish: bool = False
    calibrate: bool = False
    wandb_sweep: str = ""
    launch: str = "local"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The study's name as a folder."""
        return _slug(self.study)


def parse_options(words: Sequence[str]) -> Options:
    """Sorts the words.

    Raises:
        ValueError: no study, two of them, an option given twice, or a value of another kind.

    Example:
        >>> options = parse_options(["demo", "jobs=2", "trainer.max_epochs=1"])
        >>> options.folder.as_posix(), options.jobs, options.overrides
        ('runs/demo', 2, ('trainer.max_epochs=1',))
    """
    names = [word for word in words if "=" not in word and not word.startswith("~")]
    if len(names) != 1:
        raise ValueError(f"study needs one slug or path of a study and options as name=value, got {names}.")
    own = {key: [w.partition("=")[2] for w in words if w.partition("=")[0] == key] for key in (*_OWN, "seed")}
    for key, values in own.items():
        if len(values) > 1 or "" in [value.strip("'\"") for value in values]:
            raise ValueError(
                f"{key} must be given once and with a value, got {values}. Write for example {_EXAMPLES[key]}."
            )
    if own["seed"] and own["seeds"]:
        raise ValueError("seed and seeds cannot both be given. Leave out seed.")
    rest = [word for word in words if word not in names and word.partition("=")[0] not in own]
    launch = own["launch"][0].strip("'\"") if own["launch"] else "local"
    return Options(
        study=names[0],
        folder=Path(own["run_dir"][0].strip("'\"") if own["run_dir"] else f"runs/{_slug(names[0])}"),
        overrides=tuple(word for word in rest if not word.startswith(_SETTING)),
        jobs=_whole("jobs", own["jobs"][0]) if own["jobs"] else at_a_time(launch),
        seeds=tuple(_whole("seeds", s) for s in (own["seeds"] or own["seed"] or [""])[0].strip("[]").split(",") if s),
        publish=_truth("publish", own["publish"][0]) if own["publish"] else False,
        calibrate=_truth("calibrate", own["calibrate"][0]) if own["calibrate"] else False,
        wandb_sweep=own["wandb_sweep"][0].strip("'\"") if own["wandb_sweep"] else "",
        launch=launch,
        settings=_settings([word.removeprefix(_SETTING) for word in rest if word.startswith(_SETTING)]),
    )


def private_paths(options: Options) -> dict[str, str]:
    """What of the options and of this machine does not belong into published files, and what stands for it."""
    hidden = {}
    for override in options.overrides:
        key, _, value = override.partition("=")
        value = value.strip("'\"")
        if value.startswith(("/", "~")):
            hidden[value] = f"<{key}>"
    if options.folder.is_absolute():
        hidden[str(options.folder)] = f"runs/{options.slug}"
    return {f"{Path.cwd()}/": "", f"{Path.home()}/": "~/", **hidden}


_EXAMPLES = {"run_dir": "run_dir=runs/demo", "jobs": "jobs=2", "seeds": "seeds=[42,1,2]", "seed": "seed=7",
             "publish": "publish=true", "launch": "launch=slurm",
             "calibrate": "calibrate=true", "wandb_sweep": "wandb_sweep=sweeps"}  # fmt: skip


def _settings(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in found or not value:
            raise ValueError(
                f"launch.{key} must be given once and with a value, got {word!r}. Write launch.partition=gpu."
            )
        found[key] = value
    return found


def _slug(study: str) -> str:
    path = Path(study)
    if path.suffix not in (".yaml", ".yml"):
        return path.name
    return path.resolve().parent.name if path.stem == "study" else path.stem


def _whole(key: str, text: str) -> int:
    if not re.fullmatch(r"\s*\d+\s*", text):
        raise ValueError(f"{key} must be whole numbers, got {text!r}. Write for example {_EXAMPLES[key]}.")
    return int(text)


def _truth(key: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{key} must be true or false, got {text!r}. Write {_EXAMPLES[key]}.")
    return text.lower() == "true"

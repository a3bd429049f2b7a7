"""From a study to the processes that run its rows.

Relations: ``study`` says what, ``launch`` runs what is planned here.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from rec_lightning.studies.launch import Job
from rec_lightning.studies.study import RowSpec, Study

# a verb and its overrides -> the command of a process
CommandBuilder = Callable[[str, Sequence[str]], Sequence[str]]

# first part of the keys that every verb knows; any other override concerns training only
SHARED_KEYS = frozenset({"data", "seed"})


def verb_command(verb: str, overrides: Sequence[str]) -> list[str]:
    """The verb in this interpreter."""
    return [sys.executable, "-m", "rec_lightning.cli", verb, *overrides]


def jobs_of(
    study: Study,
    folder: Path,
    overrides: Sequence[str] = (),
    shared: Collection[str] = SHARED_KEYS,
    command: CommandBuilder = verb_command,
) -> list[Job]:
    """One job a row, in the study's order.

    Args:
        study: whose rows to run.
        folder: of the whole study; each row's run lies below it.
        overrides: Hydra overrides for every row whose verb knows them.
        shared: first parts of the keys that baselines know too.
        command: makes the command of a process from a verb and overrides.

    Raises:
        ValueError: an override that is none, or one of what the rows differ in.
    """
    return [_job(row, row_overrides(study, row, folder, overrides, shared), folder, command) for row in study.rows]


def row_overrides(
    study: Study, row: RowSpec, folder: Path, overrides: Sequence[str] = (), shared: Collection[str] = SHARED_KEYS
) -> list[str]:
    """The row's own overrides, those given beside the study that its verb knows in their place, and its folder.

    Raises:
        ValueError: an override that is none, or one of what the rows differ in.
    """
    for override in overrides:
        if override_key(override) in study.fixed:
            raise ValueError(
                f"the rows differ in {', '.join(study.fixed)}, which cannot be set for all, got {override!r}. "
                "Leave it out, or run a row by itself with rec-lightning train or baseline."
            )
    given = [o for o in overrides if row.verb != "baseline" or first_part(override_key(o)) in shared]
    by_key = {override_key(o): o for o in (*row.overrides, *given)}  # the later takes the place of the earlier
    return [*by_key.values(), f"run_dir={quoted(folder / row.slug)}"]


def _job(row: RowSpec, overrides: Sequence[str], folder: Path, command: CommandBuilder) -> Job:
    return Job(
        name=row.name,
        command=tuple(command(row.verb, overrides)),
        printed=shlex.join(["rec-lightning", row.verb, *overrides]),
        log=folder / f"{row.slug}.log",
        proof=folder / row.slug / "manifest.json",
        expected=row.seconds,
    )


def override_key(override: str) -> str:
    """Key of a Hydra override.

    Raises:
        ValueError: it has no key, or neither a value nor a leading ``~``.

    Example:
        >>> [override_key(o) for o in ("data=synthetic", "+data.path=x", "~logger")]
        ['data', 'data.path', 'logger']
    """
    match = re.match(r"(~|\+{0,2})([A-Za-z_][^=\s]*)(=?)", override)
    if match is None or (not match[3] and match[1] != "~"):
        raise ValueError(f"an override must have the form option=value, got {override!r}. Write for example seed=7.")
    return match[2]


def first_part(key: str) -> str:
    """The part of the configuration a key belongs to.

    Example:
        >>> [first_part(key) for key in ("data.path", "data/split", "logger@log", "seed")]
        ['data', 'data', 'logger', 'seed']
    """
    return re.split(r"[./@]", key, maxsplit=1)[0]


def quoted(path: Path) -> str:
    """A path as a value of a Hydra override: quoted where its grammar needs it.

    Example:
        >>> quoted(Path("runs/demo")), quoted(Path("my runs/a=b"))
        ('runs/demo', "'my runs/a=b'")
    """
    text = str(path)
    if re.fullmatch(r"[\w./+-]+", text, re.ASCII):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

"""From a study to the processes that run its rows.

Relations: ``study`` says what, ``launch`` runs what is planned here.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rec_lightning.studies.job import Job
from rec_lightning.studies.override import first_part, override_key, quoted
from rec_lightning.studies.store import Resolver, flat, keep, move_aside
from rec_lightning.studies.study import RowSpec, Study

# a verb and its overrides -> the command of a process
CommandBuilder = Callable[[str, Sequence[str]], Sequence[str]]

# verb -> first parts of the keys it knows of those given beside a study; a verb that is not here knows all
Known = Mapping[str, Collection[str]]
KNOWN: Known = {"baseline": frozenset({"data", "seed"}), "fuse": frozenset({"top_k"}), "evaluate": frozenset()}


def verb_command(verb: str, overrides: Sequence[str]) -> list[str]:
    """The verb in this interpreter."""
    return [sys.executable, "-m", "rec_lightning.cli", verb, *overrides]


def jobs_of(
    study: Study,
    folder: Path,
    overrides: Sequence[str] = (),
    known: Known = KNOWN,
    command: CommandBuilder = verb_command,
    resolve: Resolver | None = None,
    tracked: Tracked | None = None,
) -> list[Job]:
    """One job a row and seed, in the study's order; the seeds of a row follow one another.

    Args:
        study: whose rows to run.
        folder: of the whole study; each row's run lies below it.
        overrides: Hydra overrides for every row whose verb knows them.
        known: by verb, first parts of the keys it knows.
        command: makes the command of a process from a verb and overrides.
        resolve: makes the configuration by which a run is found again; without it every run is started.
        tracked: rows whose runs are grouped and named for W&B.

    Raises:
        ValueError: an override that is none, or one of what the rows differ in.
    """
    return [
        _job(study, row, seed, _with_tracking(given, row, seed, tracked), folder, command, resolve)
        for row, seed in study.runs
        for given in [run_overrides(study, row, seed, folder, overrides, known)]
    ]


@dataclass(frozen=True)
class Tracked:
    """Rows whose logger knows groups and names, as W&B's does.

    Args:
        group: under which their runs stand.
        rows: their names.
    """

    group: str
    rows: frozenset[str]


def _with_tracking(overrides: list[str], row: RowSpec, seed: int, tracked: Tracked | None) -> list[str]:
    if tracked is None or (row.parent or row.name) not in tracked.rows:
        return overrides
    given = {override_key(override) for override in overrides}
    kind = "try" if row.parent else row.verb
    wanted = {
        "logger.group": tracked.group,
        "logger.name": f"{row.name}, seed {seed}",
        "logger.job_type": kind,
    }
    own = [f"{key}={quoted(value)}" for key, value in wanted.items() if key not in given]
    return [*overrides[:-1], *own, overrides[-1]]


def run_folder(folder: Path, row: RowSpec, seed: int) -> Path:
    """Where the run of a row with a seed lies; its log lies beside it.

    Example:
        >>> run_folder(Path("runs/demo"), RowSpec("SASRec, ids", "train", ()), 42).as_posix()
        'runs/demo/sasrec-ids/seed-42'
    """
    return folder / (row.folder or row.slug) / f"seed-{seed}"


def run_overrides(
    study: Study,
    row: RowSpec,
    seed: int,
    folder: Path,
    overrides: Sequence[str] = (),
    known: Known = KNOWN,
) -> list[str]:
    """What one run of a row gets: its overrides, its folder, and its seed or the runs that it is made of.

    Raises:
        ValueError: as ``row_overrides``.
    """
    own = f"seed={seed}"
    if row.of:
        runs = ",".join(quoted(run_folder(folder, *source)) for source in study.sources(row, seed))
        own = f"runs=[{runs}]" if row.verb == "fuse" else f"run={runs}"
    place = quoted(run_folder(folder, row, seed))
    return [*row_overrides(study, row, overrides, known), own, f"run_dir={place}"]


def row_overrides(study: Study, row: RowSpec, overrides: Sequence[str] = (), known: Known = KNOWN) -> list[str]:
    """The row's own overrides, those given beside the study that its verb knows in their place.

    Raises:
        ValueError: an override that is none, or one of what the rows differ in.
    """
    for override in overrides:
        if override_key(override) == "test":
            raise ValueError(
                f"a study says itself what goes to the test set, got {override!r}. Leave it out, or run a row by "
                "itself with rec-lightning train."
            )
        if override_key(override) in row.searched:
            raise ValueError(
                f"{override_key(override)} is searched in row {row.name!r}, so it cannot be set for all, got "
                f"{override!r}. Leave it out, or set tune or search of the study."
            )
        if override_key(override) in study.fixed:
            raise ValueError(
                f"the rows differ in {', '.join(study.fixed)}, which cannot be set for all, got {override!r}. "
                "Leave it out, or run a row by itself with rec-lightning train or baseline."
            )
    keys = known.get(row.verb)
    given = [o for o in overrides if keys is None or first_part(override_key(o)) in keys]
    by_key = {
        override_key(o): o for o in (*row.overrides, *given, *row.last)
    }  # the later takes the place of the earlier
    return list(by_key.values())


def _job(
    study: Study,
    row: RowSpec,
    seed: int,
    overrides: Sequence[str],
    folder: Path,
    command: CommandBuilder,
    resolve: Resolver | None,
) -> Job:
    place = run_folder(folder, row, seed)
    sources = [run_folder(folder, *source) / "manifest.json" for source in study.sources(row, seed)]

    def kept() -> bool:
        # composing takes a while, so only where something lies
        proof = place / "manifest.json"
        if resolve is None or not proof.is_file() or not keep(place, resolve(row.verb, overrides), study.code):
            return False
        if any(source.stat().st_mtime > proof.stat().st_mtime for source in sources if source.is_file()):
            move_aside(place)  # what it was made of has run again
            return False
        return True

    return Job(
        name=row.run_name(seed),
        command=tuple(command(row.verb, overrides)),
        printed=shlex.join(["rec-lightning", row.verb, *overrides]),
        log=place.with_name(f"{place.name}.log"),
        proof=place / "manifest.json",
        expected=row.seconds,
        keep=kept,
        identity=lambda: _identity(row, overrides, resolve),
    )


def _identity(row: RowSpec, overrides: Sequence[str], resolve: Resolver | None) -> str:
    config = flat(resolve(row.verb, overrides)) if resolve else {o: "" for o in overrides if "run_dir" not in o}
    return json.dumps([row.verb, sorted(config.items())])

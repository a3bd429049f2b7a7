"""Forgetting people: out of what was prepared, and a list of the runs that may have learnt from them.

Order: first the list of who must not come back, from which moment no older preparation is found any more; then the
prepared folders, each moved out of its place before it is deleted; then what was ranked with them beside trained runs.
A kill in between leaves nothing that is used, and the same command ends the work.

What it cannot do: the source's own files stay as they are, and weights that saw somebody keep what they learnt. The
runs are listed, so that they can be deleted or trained again.

Relations: ``suppression`` is the list; ``cache`` holds the folders.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from rec_lightning.contracts import USER, Tables
from rec_lightning.data.cache import ERASING, prepared_dir, rankings_dir
from rec_lightning.data.module import RecData
from rec_lightning.data.suppression import Suppression, origin_of, user_ids


@dataclass(frozen=True)
class Seen:
    """A run that may have learnt from somebody who was forgotten.

    Args:
        run: its folder.
        verb, status: as its manifest says.
        users: how many of those asked for were not yet left out when its data were prepared.
        ranked: how many of them stand in its rankings or predictions.
        checkpoints: its files of weights.
        guards: privacy of its data; under pseudonyms ``ranked`` needs the same guard and key.
    """

    run: str
    verb: str
    status: str
    users: int
    ranked: int
    checkpoints: list[str]
    guards: list[str]


@dataclass(frozen=True)
class Forgotten:
    """What was done; no ids.

    Args:
        data, origin: name and identity of the source.
        asked, already, unknown: users asked for, left out before, and not in the source.
        entries: prepared folders that were removed.
        rankings: files with rankings of baselines that were removed.
        suppressed: users left out of this source from now on.
        runs: that may have seen them.
        unreadable: manifests that could not be read; their runs are not judged.
    """

    data: str
    origin: str
    asked: int
    already: int
    unknown: int
    entries: list[str]
    rankings: int
    suppressed: int
    runs: list[Seen]
    unreadable: list[str]


def forget(data: RecData, users: Sequence[str], runs: Path, unknown: Literal["refuse", "count"]) -> Forgotten:
    """Erases users of one source.

    Args:
        data: names the source; its guards tell the pseudonyms by which runs may know the users.
        users: ids as in the source, as text.
        runs: folder whose runs are looked through.
        unknown: what happens to ids that the source does not have.

    Raises:
        ValueError: an id is unknown, or nobody is named; nothing was changed.
        OSError: something cannot be read, written or removed.
    """
    wanted = list(dict.fromkeys(users))
    if not wanted:
        raise ValueError("users must name at least one id, got none. Set users=a,b,c or users=@file.")
    tables = data.source.fetch()
    here = set(user_ids(tables))
    strange = [user for user in wanted if user not in here]
    if strange and unknown == "refuse":
        raise ValueError(
            f"users must be in the source, and {len(strange)} of {len(wanted)} are not in {tables.name}. Check "
            "them, or set unknown=count to leave them aside."
        )
    known = [user for user in wanted if user in here]
    suppression = Suppression(origin_of(data.source))
    already = len(suppression.places(known))
    if known:
        suppression.add(known)
    entries = [place.name for place in erase_entries(suppression)]
    rankings = erase_rankings()
    seen, unreadable = _runs(runs, tables, known, _names(data, tables, known), suppression)
    counts = (len(wanted), already, len(strange))
    return Forgotten(tables.name, suppression.origin, *counts, entries, rankings, len(suppression), seen, unreadable)


def erase_entries(suppression: Suppression) -> Iterator[Path]:
    """Removes the prepared folders of a source that do not leave out all who are in its list.

    A folder that does not tell its source is removed too: it is spoilt, or of an earlier version, and can be prepared
    again.
    """
    home = prepared_dir()
    for left in home.glob(f"{ERASING}*"):
        shutil.rmtree(left)
    for place in sorted(p for p in home.glob("*") if p.is_dir() and not p.name.startswith(".")):
        facts = _read(place / "facts.json")
        own = facts is not None and facts.get("origin") not in (None, suppression.origin)
        if own or (facts is not None and int(facts.get("forgotten", -1)) >= len(suppression)):
            continue
        moved = place.rename(place.with_name(ERASING + place.name))
        shutil.rmtree(moved)
        yield place


def erase_rankings() -> int:
    """Removes kept rankings of baselines whose prepared data are not there any more; gives how many.

    Those of data that went earlier are removed too, since nobody can tell whose they are.
    """
    home, removed = rankings_dir(), 0
    for place in sorted(home.glob("*")):
        if place.is_file():  # of an earlier version, which had no folders
            place.unlink()
            removed += 1
        elif not (prepared_dir() / place.name).is_dir():
            removed += len(list(place.glob("*.npz")))
            shutil.rmtree(place)
    return removed


def _names(data: RecData, tables: Tables, users: Sequence[str]) -> set[str]:
    """By which a run may know the users: as in the source, and as the guards change them."""
    few = [
        frame.filter(pl.col(USER).cast(pl.String).is_in(list(users))) for frame in (tables.interactions, tables.users)
    ]
    small = replace(tables, interactions=few[0], users=few[1])
    for guard in data.guards.values():
        small = guard(small)
    return {*users, *user_ids(small)}


def _runs(
    folder: Path, tables: Tables, users: Sequence[str], names: set[str], suppression: Suppression
) -> tuple[list[Seen], list[str]]:
    seen, unreadable = list[Seen](), list[str]()
    places = suppression.places(users).values()
    for file in sorted(folder.rglob("manifest.json")):
        told = _read(file)
        if told is None or not isinstance(told.get("data"), dict):
            unreadable.append(str(file))
            continue
        facts = told["data"]
        # a run of an earlier version tells no origin
        same = facts["origin"] == suppression.origin if "origin" in facts else facts.get("source") == tables.source
        inside = sum(place >= int(facts.get("forgotten", 0)) for place in places)
        if same and inside:
            checkpoints = sorted(str(f) for f in (file.parent / "checkpoints").glob("*.ckpt"))
            verb, status, guards = told.get("verb", "?"), told.get("status", "?"), facts.get("guards", [])
            ranked = _ranked(file.parent, names)
            seen.append(Seen(str(file.parent), verb, status, inside, ranked, checkpoints, guards))
    return seen, unreadable


def _ranked(run: Path, names: set[str]) -> int:
    for file in (run / "rankings.parquet", run / "predictions.parquet"):  # a run leaves one of them
        if file.exists():
            ids = pl.read_parquet(file, columns=["user"])["user"].cast(pl.String)
            return len(names.intersection(ids.to_list()))
    return 0


def _read(file: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return told if isinstance(told, dict) else None

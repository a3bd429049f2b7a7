"""How much room prepared data may take: what was not used for longest goes first, and never what is in use.

``$REC_CACHE_GB`` is the limit, in 10^9 bytes, of all prepared folders with the rankings kept for them; without it
nothing is removed. It is looked at after each preparation. Who opens a folder holds a shared lock on it until the data
are let go, and a folder used within the last hour stays too, so the limit may be passed. What is removed can be
prepared again.

Relations: ``cache`` makes the folders, ``prepared`` opens them; ``erase`` removes people, lock or not.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rec_lightning.data.cache import prepared_dir, rankings_dir, scratch_prefix

VARIABLE = "REC_CACHE_GB"
YOUNG = 3600  # seconds

log = logging.getLogger(__name__)


def room() -> float | None:
    """The limit in bytes; None for no limit.

    Raises:
        ValueError: the variable is no number above 0.
    """
    told = os.environ.get(VARIABLE, "")
    if not told:
        return None
    try:
        found = float(told)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise ValueError(f"{VARIABLE} must be a number above 0, got {told}. Set {VARIABLE}, or leave it out.")
    return found * 1e9


def hold(folder: Path) -> int | None:
    """Marks a prepared folder as used now and in use until the descriptor is closed; None when it is not there."""
    while True:
        try:
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits where it is being removed
            if os.path.samestat(os.fstat(lock), folder.stat()):
                os.utime(folder)
                return lock
        except FileNotFoundError:
            pass
        except OSError:  # no locks there, or not ours: then nothing is removed there either
            return lock
        os.close(lock)  # another folder came in its place


def make_room() -> None:
    """Removes prepared folders until the limit is kept, as far as they are not in use."""
    allowed = room()
    if allowed is None:
        return
    used = {place: _bytes(place) + _bytes(rankings_dir() / place.name) for place in _places()}
    over, gone = sum(used.values()) - allowed, 0
    for place in sorted(used, key=_age, reverse=True):
        if over > 0 and _age(place) > YOUNG and _remove(place):
            over, gone = over - used[place], gone + 1
    if gone:
        log.warning(
            "%d prepared data sets, unused for longest, were removed from %s (%s=%g)",
            gone,
            prepared_dir(),
            VARIABLE,
            allowed / 1e9,
        )


def _places() -> list[Path]:
    return [place for place in prepared_dir().glob("*") if place.is_dir() and not place.name.startswith(".")]


def _age(place: Path) -> float:
    try:
        return time.time() - place.stat().st_mtime
    except OSError:  # another process removes too
        return 0.0


def _bytes(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.glob("*"))
    except OSError:
        return 0


def _remove(place: Path) -> bool:
    try:
        with _alone(place), tempfile.TemporaryDirectory(dir=place.parent, prefix=scratch_prefix()) as scratch:
            # out of its place first, so that a kill leaves nothing half there; the next preparation sweeps
            rankings = rankings_dir() / place.name
            if rankings.is_dir():
                rankings.rename(Path(scratch) / "rankings")
            place.rename(Path(scratch) / "folder")
    except OSError:  # in use, or gone
        return False
    return True


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    lock = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)

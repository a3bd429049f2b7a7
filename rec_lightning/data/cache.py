"""Folders of prepared data under one key: made beside their place and renamed, so that none is ever half there.

The key covers the source's identity, every guard, step and feature, the split and the code of this room: whatever
changes one of them prepares anew.

Relations: ``prepared`` writes and reads what lies in a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from rec_lightning.contracts import Feature, Guard, Source, Split, Step
from rec_lightning.downloads import cache_dir

ERASING = ".erasing-"  # before the name of a folder that is being deleted


def key_of(
    source: Source,
    guards: Mapping[str, Guard],
    steps: Mapping[str, Step],
    split: Split,
    features: Mapping[str, Feature],
    left_out: str = "",
) -> str:
    """sha256 over all that decides the prepared form.

    ``left_out`` is the mark of the list of people who must not come in.

    Raises:
        ValueError: a guard, a step, the split or a feature does not tell its options.
        OSError: the source's files are not there.
    """
    told = [type(source).__qualname__, source.identity(), _told(split), left_out]
    told += [f"{name}={_told(part)}" for group in (guards, steps, features) for name, part in group.items()]
    told += sorted(
        {
            _code(Path(str(sys.modules[type(x).__module__].__file__)))
            for x in (source, split, *guards.values(), *steps.values(), *features.values())
        }
    )
    own = Path(__file__).parent
    told += [
        _code(file)
        for folder in ("", "sources", "privacy", "preparation", "split", "features")
        for file in sorted((own / folder).glob("*.py"))
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _told(part: object) -> str:
    if type(part).__repr__ is object.__repr__:
        raise ValueError(
            f"{type(part).__name__} must tell its options in repr(), as a dataclass does, so that prepared data are "
            "not mistaken for others. Make it a dataclass, or set data.cache=false."
        )
    return repr(part)


@cache
def _code(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def place_of(key: str) -> Path:
    """Where the data of a key are kept; may not exist yet."""
    return prepared_dir() / key[:24]


def prepared_dir() -> Path:
    """Where all prepared data are kept; may not exist yet."""
    return cache_dir() / "prepared"


def rankings_dir() -> Path:
    """Where rankings of baselines are kept, in folders named as those of the prepared data; may not exist yet."""
    return cache_dir() / "baselines"


@contextmanager
def filling(place: Path, whole: Callable[[Path], bool]) -> Iterator[Path]:
    """An empty folder to fill; it gets its place when the block ends well, and vanishes when it does not.

    Where a whole folder has come there meanwhile, from a process that was faster with the same, that one stays: it may
    be open already. A spoilt one is replaced.

    Args:
        place: of the folder.
        whole: whether a folder in that place can be used.

    Raises:
        OSError: the folder cannot be written, or the disk is full; says what to do.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=scratch_prefix()) as scratch:
            folder = Path(scratch) / "folder"
            folder.mkdir()
            yield folder
            _put(folder, place, whole)
    except OSError as error:
        raise OSError(
            f"prepared data must be written under {place.parent}, and that failed ({error.strerror or error}). Free "
            "the disk, set REC_CACHE to a folder on another one, or set data.cache=false."
        ) from error


def _put(folder: Path, place: Path, whole: Callable[[Path], bool]) -> None:
    with _alone(place.parent):
        try:
            folder.rename(place)
        except OSError:
            if not place.is_dir():
                raise
            if whole(place):
                return
            place.rename(folder.with_name("old"))
            folder.rename(place)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process puts a folder there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # no locks on this file system: only a spoilt folder can then be missed for a moment
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def scratch_prefix() -> str:
    """Before the names of this process's folders among the prepared ones; what a killed process left is swept."""
    return _prefix(os.getpid())


def _prefix(process: int) -> str:
    return f".preparing-{socket.gethostname()}-{process}-"


def _sweep(folder: Path) -> None:
    """Removes what killed preparations on this machine left."""
    for left in folder.glob(f".preparing-{socket.gethostname()}-*"):
        process = left.name.removeprefix(_prefix(0)[:-2]).partition("-")[0]
        if not process.isdigit() or not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

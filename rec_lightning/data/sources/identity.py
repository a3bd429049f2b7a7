"""The files that a source is told, and their identity: sha256 of their content, remembered by path, size and time of
change.

Reading a large file only to know that it is the same as yesterday would cost more than using what was prepared from
it; a file whose size and time of change (in nanoseconds) are as remembered is not read again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rec_lightning.downloads import cache_dir


def told_file(option: str, path: str, kind: str) -> Path:
    """The file of an option.

    Args:
        option: of ``data.source``, such as ``items``.
        path: what it was given.
        kind: of the file, in words.

    Raises:
        FileNotFoundError: there is none; names the option.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        told = "is a folder" if place.is_dir() else "does not exist"
        raise FileNotFoundError(f"data.source.{option} must be {kind}, and {place} {told}. Set data.source.{option}.")
    return place


def content_of(files: Iterable[Path]) -> str:
    """One sha256 over names and contents, in the order given.

    Raises:
        FileNotFoundError: a file does not exist.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}:{_sha256(file)};".encode())
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    state = file.stat()
    told = f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}:{state.st_ino}"
    memo = cache_dir() / "checksums" / hashlib.sha256(told.encode()).hexdigest()
    if memo.exists():
        return memo.read_text()
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if state.st_size > 2**24:  # smaller ones are read in a moment
        _remember(memo, found)
    return found


def _remember(memo: Path, text: str) -> None:
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memo.parent, delete=False) as scratch:
            scratch.write(text)
        Path(scratch.name).replace(memo)
    except OSError:
        return  # only a memory: without it the file is read again

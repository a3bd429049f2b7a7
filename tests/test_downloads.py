from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rec_lightning import downloads
from rec_lightning.downloads import Wheel, cache_dir, cached_wheel, fetch_url, fetch_wheel

FOLDER = "pkg/files"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel that "pip" copies from this machine; everything else is the real road."""
    file = tmp_path / "pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{FOLDER}/a.txt", "inside")
        archive.writestr("pkg/files_of_others/b.txt", "not wanted")

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        place = Path(command[command.index("--dest") + 1]) / file.name
        place.write_bytes(file.read_bytes())
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(downloads.subprocess, "run", pip)
    return Wheel("pkg==1.0", hashlib.sha256(file.read_bytes()).hexdigest(), FOLDER)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_CACHE", "~/somewhere")
    assert cache_dir() == Path.home() / "somewhere"
    monkeypatch.setenv("REC_CACHE", "")
    assert cache_dir() == Path.home() / ".cache" / "rec_lightning"


def test_only_the_wanted_folder_of_a_wheel_is_kept_and_the_second_call_asks_nobody(
    wheel: Wheel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cached_wheel(wheel).exists()
    assert (fetch_wheel(wheel) / "a.txt").read_text() == "inside"
    assert files(cache) == [f"pkg-1.0/{FOLDER}/a.txt"]
    monkeypatch.setattr(downloads.subprocess, "run", None)
    assert fetch_wheel(wheel) == cached_wheel(wheel)


def test_a_wheel_with_another_checksum_is_not_kept(wheel: Wheel, cache: Path) -> None:
    wrong = Wheel(wheel.requirement, "0" * 64, wheel.folder)
    with pytest.raises(OSError, match=rf"pkg-1.0-.*\.whl has sha256 {wheel.sha256}, expected {wrong.sha256}"):
        fetch_wheel(wrong)
    assert list(cache.iterdir()) == []


def test_a_wheel_without_the_folder_is_not_kept(wheel: Wheel, cache: Path) -> None:
    with pytest.raises(OSError, match=r"pkg-1.0-.*\.whl does not hold pkg/other"):
        fetch_wheel(Wheel(wheel.requirement, wheel.sha256, "pkg/other"))
    assert list(cache.iterdir()) == []


def test_an_interrupted_unpacking_leaves_nothing_half(
    wheel: Wheel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: zipfile.ZipFile, path: Path, members: list[str]) -> None:
        (path / FOLDER).mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch_wheel(wheel)
    assert not cached_wheel(wheel).exists()
    assert (fetch_wheel(wheel) / "a.txt").exists()


def test_two_processes_at_once_agree(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def late(self: Path, place: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        fetch_wheel(wheel)  # the other one, between our clearing and our rename
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", late)
    assert files(fetch_wheel(wheel)) == ["a.txt"]


def test_without_pip_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(OSError, match=r"^pip could not download pkg==1.0: No module named pip$"):
        fetch_wheel(Wheel("pkg==1.0", "0" * 64, FOLDER))


def test_pip_without_a_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, b"", b"")
    monkeypatch.setattr(downloads.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(OSError, match=r"^pip found no wheel of pkg==1.0$"):
        fetch_wheel(Wheel("pkg==1.0", "0" * 64, FOLDER))


class Served:
    """Stands where the network is: writes what a server would send."""

    content = b"good"

    def __init__(self, **_: Any) -> None:
        pass

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        Path(output_file).write_bytes(self.content)


def test_a_download_with_another_checksum_is_never_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooch.HTTPDownloader", Served)
    good = "sha256:" + hashlib.sha256(b"good").hexdigest()
    assert fetch_url("https://example.org/f", good, "f").read_bytes() == b"good"
    with pytest.raises(OSError, match=r"^https://example.org/g: .*hash"):
        fetch_url("https://example.org/g", "md5:" + "0" * 32, "g")
    assert files(cache) == ["f"]


def test_a_spoilt_file_in_the_cache_is_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pooch.HTTPDownloader", Served)
    cache.mkdir()
    (cache / "f").write_bytes(b"half")
    good = "sha256:" + hashlib.sha256(b"good").hexdigest()
    assert fetch_url("https://example.org/f", good, "f").read_bytes() == b"good"


def test_no_network_is_an_os_error(cache: Path) -> None:
    with pytest.raises(OSError, match=r"refused|unreachable|Failed to"):
        fetch_url("http://127.0.0.1:9/f", "md5:" + "0" * 32, "f")
    assert not (cache / "f").exists()

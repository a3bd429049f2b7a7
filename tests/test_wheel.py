"""An installed copy brings its conf along and trains from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def call(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", folder)
    call(sys.executable, "-m", "pip", "wheel", *options, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's ``bin``: the package from the wheel, everything else lent by this environment."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    # a plain path, not addsitedir: this environment's own editable copy of the package stays out
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_wheel_holds_conf_and_experiments(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "rec_lightning/conf/train.yaml" in names
    assert any(name.startswith("rec_lightning/experiments/") for name in names)
    packed = {name.removeprefix("rec_lightning/") for name in names if name.startswith("rec_lightning/conf/")}
    assert packed == {file.relative_to(ROOT).as_posix() for file in (ROOT / "conf").rglob("*") if file.is_file()}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"rec_lightning"}


def test_the_package_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "from rec_lightning.runtime.composition import conf_dir; print(conf_dir())"
    place = Path(call(installed / "python", "-c", code, cwd=tmp_path).strip())
    assert place.is_relative_to(installed.parent)
    assert place.parts[-2:] == ("rec_lightning", "conf")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [["items=id", "tuning=full"], pytest.param([], marks=pytest.mark.net)],
    ids=["ids", "text"],
)
def test_an_installed_copy_trains_from_an_empty_folder(installed: Path, tmp_path: Path, options: list[str]) -> None:
    line = ["train", "trainer.fast_dev_run=true", "data=synthetic", *options]
    call(installed / "rec-lightning", *line, cwd=tmp_path)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rec_lightning.audit import run
from rec_lightning.runtime.refusal import Refusal


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_CACHE", str(tmp_path / "cache"))


def line(place: Path, *more: str) -> list[str]:
    return ["data=synthetic", "data.source.users=40", "data/split=global_time", f"run_dir={place}", *more]


def test_prints_and_leaves_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line(tmp_path / "a", "data/prepare=clean", "fail_on=1")) == 0
    out = capsys.readouterr().out
    assert "repetitions" in out
    assert out.strip().splitlines()[-1] == str(tmp_path / "a" / "audit.html")
    assert 1 <= json.loads((tmp_path / "a" / "audit.json").read_text())["level"] <= 5


def test_a_gate_refuses_data_under_a_level(tmp_path: Path) -> None:
    # synthetic users meet items again, which puts targets among the inputs
    with pytest.raises(
        Refusal, match=r"^the data must reach level 5 of 5, and .*leakage.* did not \(\d\)\. See .*fail_on"
    ):
        run(line(tmp_path / "a", "fail_on=5"))
    assert (tmp_path / "a" / "audit.html").exists()  # what is wrong can be read


def test_a_level_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"^fail_on must be a level, 1\.\.5, or null, got 6\. Set fail_on\.$"):
        run(line(tmp_path / "a", "fail_on=6"))

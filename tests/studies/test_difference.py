from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rec_lightning.diff import run
from rec_lightning.runtime.refusal import Refusal
from rec_lightning.studies.difference import Change, changes

WriteRun = Callable[..., Path]


@pytest.fixture
def pair(write_run: WriteRun) -> tuple[Path, Path]:
    first = write_run("a", [1, 2])
    second = write_run(
        "b", [1, 20], packages={"torch": "2.14.0"}, seconds={"wall": 80.0, "cpu": 140.0, "first_step": 3.5}
    )
    (first / "config.yaml").write_text("run_dir: a\nseed: 1\noptimizer: {lr: 0.001}\n")
    (second / "config.yaml").write_text("run_dir: b\nseed: 1\noptimizer: {lr: 0.002}\n")
    return first, second


def test_every_part_that_differs(pair: tuple[Path, Path]) -> None:
    assert changes(*pair) == [
        Change("configuration", "optimizer.lr", "0.001", "0.002"),
        Change("packages", "polars", "2.1.0", "(none)"),
        Change("packages", "torch", "2.13.0", "2.14.0"),
        Change("result", "test/hr@10", "1.0", "0.5"),
        Change("result", "test/ndcg@10", "0.8154648767857288", "0.5"),
        Change("cost", "seconds.wall", "75.2", "80.0"),
    ]


def test_a_run_does_not_differ_from_itself(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert changes(pair[0], pair[0]) == []
    assert run([str(pair[0]), str(pair[0])]) == 0
    assert "The two runs do not differ." in capsys.readouterr().out


def test_the_table(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run([str(path) for path in pair]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "optimizer.lr" in line]
    assert line.split() == ["configuration", "optimizer.lr", "0.001", "0.002"]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"diff needs two run directories, got \['a'\]"):
        run(["a"])
    with pytest.raises(Refusal, match=r"a complete run holds manifest\.json, got none"):
        run([str(tmp_path), str(tmp_path)])

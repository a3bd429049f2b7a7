from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Comparison, Failure, Finished, Run
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.study import Study
from rec_lightning.studies.table import result_table

WriteRun = Callable[..., Path]


def shown(comparison: Comparison, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(result_table(comparison))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def comparison(study: Study, write_run: WriteRun) -> Comparison:
    plain = {"parameters": {"trainable": 0, "total": 0}, "peak_memory_mb": 312.0}
    popularity = read_row(write_run("a", [11] * 50 + [1] * 50, **plain), study.metrics)
    trained = read_row(write_run("c", [1] * 100), study.metrics)
    ease = Failure(study.rows[1], 42, "c", 2, ("Traceback", "error: l2 must be positive, got [0]"))
    entries: list[Finished | Failure] = [
        Finished(study.rows[0], Run(42, "c", popularity)),
        ease,
        Finished(study.rows[2], Run(42, "c", trained)),
    ]
    return compare(study, entries)


def test_cells_by_hand(comparison: Comparison) -> None:
    lines = shown(comparison).splitlines()
    (popularity,) = [line for line in lines if "Popularity" in line]
    assert popularity.split() == ["Popularity", "0.500", "0.500", "0", "1", "min", "15", "s"]
    (trained,) = [line for line in lines if "SASRec" in line]
    assert trained.split()[-8:] == ["1.000", "1.000", "73.7", "k", "1", "min", "15", "s"]
    assert "1.000\u20131.000" in lines[lines.index(trained) + 1]
    assert "0.32 %" in lines[lines.index(trained) + 1]
    assert lines[lines.index(trained) + 1].rstrip().endswith("1.53 GB")
    assert lines[lines.index(popularity) + 1].rstrip().endswith("312 MB")


def test_a_failed_row_shows_its_last_lines(comparison: Comparison) -> None:
    text = shown(comparison)
    assert "EASE failed with exit code 2:" in text
    assert "error: l2 must be positive, got [0]" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 110])
def test_numbers_are_never_cut(study: Study, write_run: WriteRun, width: int) -> None:
    rows = [read_row(write_run(str(n), [1 + n] * 50 + [30] * 50), study.metrics) for n in range(3)]
    comparison = compare(study, [Finished(s, Run(42, "c", row)) for s, row in zip(study.rows, rows, strict=True)])
    text = shown(comparison, width)
    assert "\u2026" not in text
    for part in ("reference", "73.7 k", "1.53 GB", "+0.185", "Caution:"):
        assert part in text
    assert max(map(len, text.splitlines())) <= width
    tables = sum(
        line.startswith("row ") for line in text.splitlines()
    )  # below each other where they do not fit beside each other
    assert (tables == 1) == (width >= 80)
    assert text.count("HR@10") == 1 + text.count("in HR@10")
    assert text.count("EASE") >= tables


def test_without_any_result(study: Study) -> None:
    text = shown(compare(study, [Failure(row, 42, "c", 1, ("gone",)) for row in study.rows]))
    assert text.count("gone") == 3

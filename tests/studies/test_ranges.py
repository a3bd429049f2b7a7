from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from rec_lightning.runtime.refusal import Refusal
from rec_lightning.studies.ranges import Range, Sweep, parse_ranges, parse_sweep
from rec_lightning.studies.reading import parse_study
from rec_lightning.study import run

LR = {"low": 1e-4, "high": 1e-2, "log": True}


def test_values_of_a_range() -> None:
    assert Range(1, 4).values == (1, 2, 3, 4)
    assert Range(0.1, 0.5, step=0.2).values == pytest.approx((0.1, 0.3, 0.5))
    assert Range(0.1, 0.5).values == ()
    assert Range(choices=("a", None)).values == ("a", None)
    assert (Range(1, 4).whole, Range(1, 4.5).whole, Range(1, 4, step=0.5).whole) == (True, False, False)


def test_a_grid_and_its_budget() -> None:
    ranges = parse_ranges({"a": [1, 2], "b": {"low": 1, "high": 3}})
    assert Sweep(ranges, trials=0, sampler="grid").budget == 6
    assert Sweep(ranges, trials=4, sampler="grid").budget == 4
    assert Sweep(ranges, trials=99, sampler="grid").grid[1] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": [1]}, r"search: a must list at least 2 different values, got \[1\]"),
        ({"a": {"low": 1}}, "search: a must be a list of values, or low and high"),
        ({"a": {"low": 2, "high": 1}}, "numbers with low below high"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "must start above 0"),
        ({"a": {"low": 1, "high": 9, "log": True, "step": 2}}, "no step where it is log"),
        ({}, "search must map keys to ranges"),
    ],
)
def test_ranges_that_are_none(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_ranges(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sampler": "gp"}, r"sweep\.sampler must be one of \['tpe', .*\], got 'gp'"),
        ({"pruner": "hyperband"}, r"sweep\.pruner must be one of"),
        ({"trials": 0}, r"sweep\.trials must be at least 1, got 0"),
        ({"trials": 1.5}, r"sweep\.trials must be a whole number, got 1\.5"),
        ({"budget": 3}, r"sweep must be a mapping and may have \['trials'"),
        ({"sampler": "nsga2"}, "nsga2 weighs quality against a cost"),
        ({"sampler": "cma_es", "cost": "seconds"}, "cma_es knows quality alone"),
        ({"cost": "money"}, r"sweep\.cost must be one of \['trainable'"),
        ({"cost": "seconds", "pruner": "asha"}, "cannot be ended early for two aims"),
        ({"most": 3}, r"sweep\.most bounds the cost, got 3 without one"),
        ({"sampler": "cma_es"}, "cma_es needs at least 2 keys with low and high"),
        ({"sampler": "grid"}, r"grid needs lists, or low and high with a step, got ranges for \['lr'\]"),
        ({"warmup": 0}, r"sweep\.warmup must be at least 1 epoch, got 0"),
    ],
)
def test_sweeps_that_cannot_work(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_sweep(content, parse_ranges({"lr": LR}))


STUDY: dict[str, Any] = {"title": "t", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10"}
A = {"name": "A", "verb": "train"}


def test_a_row_has_its_own_ranges_or_none() -> None:
    rows = [A, A | {"name": "B", "search": {"x": [1, 2]}}, A | {"name": "C", "search": {}},
            {"name": "D", "verb": "baseline"}, A | {"name": "E", "tune": {"x": [1, 2]}}]  # fmt: skip
    study = parse_study(STUDY | {"rows": rows, "search": {"lr": LR}, "sweep": {"trials": 3}})
    assert [set(row.sweep.ranges) if row.sweep else None for row in study.rows] == [{"lr"}, {"x"}, None, None, None]
    assert [row.sweep.trials for row in study.rows if row.sweep] == [3, 3]
    assert [row.searched for row in study.rows] == [{"lr"}, {"x"}, set(), set(), {"x"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tune": {"x": [1, 2]}, "search": {"lr": LR}}, "tune .lists. or search .ranges., got both"),
        ({"sweep": {"trials": 3}}, "got no search. Add ranges under search, or remove sweep"),
        ({"rows": [A | {"tune": {"x": [1, 2]}, "search": {"lr": LR}}]}, "row 'A' may have tune"),
    ],
)
def test_searches_that_contradict(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_study(STUDY | {"rows": [A]} | content)


def write_study(folder: Path, ranges: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(
        "{title: t, question: q, protocol: p, metrics: [ndcg@10], primary: ndcg@10, search: {" + ranges + "}, "
        "rows: [{name: A, verb: train, overrides: [data=synthetic, items=id, tuning=full]}]}"
    )
    return path


def test_a_key_that_is_none_stops_before_the_first_try(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"row 'A, try 0': .*nearest: optimizer\.lr"):
        run([str(write_study(tmp_path, "optimizer.lrr: {low: 1e-4, high: 1e-2}")), f"run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_what_is_searched_cannot_be_set_for_all_and_the_test_neither(tmp_path: Path) -> None:
    path = write_study(tmp_path, "optimizer.lr: {low: 1e-4, high: 1e-2}")
    with pytest.raises(Refusal, match=r"optimizer\.lr is searched in row 'A', so it cannot be set for all"):
        run([str(path), "optimizer.lr=1", f"run_dir={tmp_path / 'run'}"])
    with pytest.raises(Refusal, match="a study says itself what goes to the test set, got 'test=false'"):
        run([str(path), "test=false", f"run_dir={tmp_path / 'run'}"])


def test_without_optuna_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    hidden = lambda name, *rest: None if name == "optuna" else there(name, *rest)  # noqa: E731
    monkeypatch.setattr("rec_lightning.studies.samplers.find_spec", hidden)
    with pytest.raises(Refusal, match=r"optuna is not installed\. Install rec_lightning\[sweep\]"):
        run([str(write_study(tmp_path, "optimizer.lr: {low: 1e-4, high: 1e-2}")), f"run_dir={tmp_path / 'run'}"])

"""Baselines beside a trained run: the numbers of their own runs, kept for the next, and told where they cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hydra.utils import instantiate
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.api import OLS

from rec_lightning.cli import main
from rec_lightning.contracts import Ranking
from rec_lightning.metrics.hit_rate import HitRate
from rec_lightning.metrics.ndcg import NDCG
from rec_lightning.runtime.baseline_options import resolve_baselines
from rec_lightning.runtime.beside import Beside
from rec_lightning.runtime.composition import compose
from rec_lightning.runtime.paired import _interval, _per_target

DATA = ["data=synthetic", "data.source.users=60", "data.source.items=30", "data.source.events_per_user=12"]
MODEL = ["items=id", "tuning=full", "width=8", "max_length=6", "trainer.max_epochs=1", "logger=[]"]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``first`` and ``second`` trained alike, and the two baselines by themselves."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REC_CACHE", str(folder / "cache"))
        for name in ("first", "second"):
            assert main(["train", *DATA, *MODEL, f"run_dir={folder}/{name}"]) == 0
        for name in ("popularity", "ease"):
            options = [f"baseline={name}", "max_length=6", "logger=[]", f"run_dir={folder}/{name}"]
            assert main(["baseline", *DATA, *options]) == 0
    return folder


@pytest.mark.parametrize("name", ["popularity", "ease"])
def test_the_numbers_are_those_of_a_run_of_their_own(name: str, runs: Path) -> None:
    own = {key: value for key, value in read(runs / name / "metrics.json").items() if key.startswith("test/")}
    assert read(runs / "first/baselines.json")[name]["metrics"] == own


@pytest.mark.parametrize("name", ["popularity", "ease"])
def test_the_difference_is_paired_by_user(name: str, runs: Path) -> None:
    gains = []
    for run in ("first", name):
        rank = pl.read_parquet(runs / run / "rankings.parquet").sort("user")["rank"].to_numpy()
        gains.append(np.where(rank <= 10, 1 / np.log2(rank + 1), 0))
    found = read(runs / "first/baselines.json")[name]["difference"]
    expected = ttest_rel(*gains).confidence_interval(0.95)
    assert found["metric"] == "test/ndcg@10"
    assert found["mean"] == pytest.approx((gains[0] - gains[1]).mean(), abs=1e-9)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_second_run_finds_them_again(runs: Path) -> None:
    first, second = (read(runs / run / "baselines.json") for run in ("first", "second"))
    assert [told["kept"] for told in first.values()] == [False, False]
    assert [told["kept"] for told in second.values()] == [True, True]
    assert [told["metrics"] for told in first.values()] == [told["metrics"] for told in second.values()]
    assert len(list((runs / "cache/baselines").glob("*/*.npz"))) == 2


def test_the_table_shows_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *DATA, *MODEL, f"run_dir={runs}/first"]) == 0  # complete: shown again
    text = " ".join(capsys.readouterr().out.split())
    assert "popularity" in text
    assert "test/ndcg@10 minus ease: " in text
    assert "95% t interval over users" in text


def beside(*changes: str, compare: str = "[ease]") -> tuple[Beside, Any]:
    config = compose("train", [*DATA, *MODEL, f"compare={compare}", *changes])
    resolve_baselines(config, [])
    return Beside(config), instantiate(config.data)


def ranking(users: int) -> Ranking:
    column = torch.arange(users)
    return Ranking(column, column.view(-1, 1), column.view(-1, 1).float(), column, column + 1)


def test_one_that_cannot_run_says_why(cache: Path) -> None:
    found, data = beside()
    found.baselines["ease"].max_gb = 1e-9
    told = found.measure(data, ranking(60))["ease"]
    assert list(told) == ["error"]
    assert told["error"].startswith("baseline=ease needs 1.08e-05 GB for 30 items")


def test_other_targets_have_no_paired_difference(cache: Path) -> None:
    found, data = beside()
    told = found.measure(data, ranking(60))["ease"]
    assert told["difference"] is None
    assert told["metrics"]["test/ndcg@10"] > 0


@pytest.mark.parametrize(
    ("first", "second", "files"),
    [((), (), 1), ((), ("ranking.exclude_seen=false",), 2), ((), ("data.inputs=train",), 2), ((), ("top_k=[10]",), 1)],
)
def test_kept_by_data_and_protocol_and_not_by_metrics(first: Any, second: Any, files: int, cache: Path) -> None:
    for changes in (first, second):
        found, data = beside(*changes)
        found.measure(data, ranking(60))
    assert len(list((cache / "baselines").glob("*/*.npz"))) == files


def test_data_that_are_not_kept_keep_nothing(cache: Path) -> None:
    found, data = beside("data.cache=false")
    assert found.measure(data, ranking(60))["ease"]["kept"] is False
    assert not (cache / "baselines").exists()


@pytest.mark.parametrize("key", ["hr@3", "ndcg@3", "ndcg@10"])
def test_values_of_each_target_have_the_metric_as_their_mean(key: str) -> None:
    whole = ranking(40)
    metrics = {"hit_rate": HitRate([3, 10]), "ndcg": NDCG([3, 10])}
    k = int(key.split("@")[1])
    rank = whole.rank.numpy()
    values = _per_target(metrics, key, whole)
    assert values == pytest.approx(np.where(rank <= k, 1.0 if key[0] == "h" else 1 / np.log2(rank + 1), 0), abs=1e-12)
    assert _per_target(metrics, "mrr@10", whole) is None


def test_a_monitor_of_lists_has_no_paired_difference(cache: Path, tmp_path: Path) -> None:
    options = ["metrics=beyond_accuracy", "monitor=val/coverage@5", "compare=[popularity]", f"run_dir={tmp_path}/run"]
    assert main(["train", *DATA, *MODEL, *options]) == 0
    found = read(tmp_path / "run/baselines.json")["popularity"]
    assert found["difference"] is None
    assert 0 < found["metrics"]["test/coverage@5"] <= 1


@pytest.mark.parametrize(
    ("compare", "text"),
    [
        ("ease", "compare must be a list of different baselines, got 'ease'. Set for example compare=[ease]."),
        ("[ease,ease]", "compare must be a list of different baselines, got ['ease', 'ease']. Set for example"),
        ("[eas]", "compare must list baselines: unknown choice baseline=eas; nearest: ease"),
    ],
)
def test_refused_before_data_are_read(
    compare: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *DATA, *MODEL, f"compare={compare}", f"run_dir={tmp_path / 'run'}"]) == 2
    assert text in capsys.readouterr().err


def test_none(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *DATA, *MODEL, "compare=[]", f"run_dir={tmp_path / 'run'}"]) == 0
    assert read(tmp_path / "run/baselines.json") == {}
    assert "minus" not in capsys.readouterr().out


def test_targets_of_a_user_count_together_in_the_interval() -> None:
    generator = np.random.default_rng(2)
    users = np.repeat(np.arange(50), generator.integers(1, 15, 50))
    change = generator.normal(size=50)[users] + generator.normal(size=len(users))
    fit = OLS(change, np.ones(len(change))).fit(cov_type="cluster", cov_kwds={"groups": users}, use_t=True)
    found = _interval(change, users)
    assert (found["low"], found["high"]) == pytest.approx(tuple(fit.conf_int(0.05)[0]), abs=1e-9)
    assert found["mean"] == pytest.approx(change.mean())
    alone = ttest_1samp(change, 0).confidence_interval(0.95)
    plain = _interval(change, np.arange(len(change)))
    assert (plain["low"], plain["high"]) == pytest.approx((alone.low, alone.high), abs=1e-9)
    assert found["high"] - found["low"] > 1.5 * (plain["high"] - plain["low"])
